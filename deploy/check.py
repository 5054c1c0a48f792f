"""What check.sh checks of the deployment files that wants more than a shell.

    check.py names DIR        metrics, alerts, runbook and dashboard agree; writes what promtool reads into DIR
    check.py render FOLDER    a kustomization as kustomize would, as far as those here go
    check.py policy FILE...   every pod keeps to Pod Security `restricted` and to the rules of this repository
"""

import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAME = re.compile(r"\bfuelsync_[a-z0-9_]+")
ALERT = re.compile(r"`(Fuelsync[A-Za-z]+)`")
TYPES = {"gauge", "counter", "histogram"}
LABELS = {"source", "account", "outcome", "version"}

faults = []


def wrong(text):
    faults.append(text)


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def documented():
    """The table rows of docs/METRICS.md: name -> (type, labels, meaning, alerts)."""
    metrics = {}
    for line in read("docs/METRICS.md").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `fuelsync_") or len(cells) != 6:
            if line.startswith("| `fuelsync_"):
                wrong(f"docs/METRICS.md: a row without six cells: {line[:60]}")
            continue
        name, kind, _unit, labels, meaning, alerts = cells
        name = name.strip("`")
        if kind not in TYPES:
            wrong(f"docs/METRICS.md: {name} is a {kind}")
        if name in metrics:
            wrong(f"docs/METRICS.md: {name} stands twice")
        if (kind == "counter") != name.endswith("_total"):
            wrong(f"docs/METRICS.md: {name} is a {kind}")
        labels = set(re.findall(r"`([a-z]+)`", labels))
        if labels - LABELS:
            wrong(f"docs/METRICS.md: {name} has the labels {labels - LABELS}")
        metrics[name] = (kind, labels, meaning, set(ALERT.findall(alerts)))
    return metrics


def base(name, metrics):
    """The metric that a series belongs to."""
    if name in metrics:
        return name
    stem = re.sub(r"_(bucket|sum|count)$", "", name)
    return stem if metrics.get(stem, ("",))[0] == "histogram" else None


def names(out):
    metrics = documented()
    if not metrics:
        wrong("docs/METRICS.md: no metric found")
    alerts = {}
    for path in sorted((ROOT / "deploy/prometheus").glob("*.rules.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                alert = rule["alert"]
                if alert in alerts:
                    wrong(f"{path.name}: {alert} stands twice")
                used = set()
                for name in NAME.findall(rule["expr"]):
                    if base(name, metrics) is None:
                        wrong(f"{path.name}: {alert} asks for {name}, which docs/METRICS.md does not have")
                    used.add(base(name, metrics))
                alerts[alert] = used
                if rule["labels"].get("severity") not in ("critical", "warning", "info"):
                    wrong(f"{path.name}: {alert} has no severity")
                if set(rule["annotations"]) != {"summary", "description", "runbook"}:
                    wrong(f"{path.name}: {alert} has not summary, description and runbook")
                anchor = rule["annotations"].get("runbook", "").partition("docs/RUNBOOK.md#")[2]
                if anchor not in anchors():
                    wrong(f"docs/RUNBOOK.md has no heading #{anchor} ({alert})")
    tested = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "deploy/prometheus").glob("*.test.yml"))
    for alert, used in alerts.items():
        if not re.search(rf"^### {alert}$|`{alert}`", read("docs/RUNBOOK.md"), re.M):
            wrong(f"docs/RUNBOOK.md says nothing of {alert}")
        if not re.search(rf"alertname: {alert}\n\s+eval_time: \S+\n\s+exp_alerts", tested):
            wrong(f"no test shows {alert} firing")
        if not re.search(rf"alertname: {alert}, eval_time", tested):
            wrong(f"no test shows {alert} not firing")
        for name in used - {None}:
            if alert not in metrics[name][3]:
                wrong(f"docs/METRICS.md: {name} does not name {alert}, which uses it")
    for name, (_, _, _, said) in metrics.items():
        for alert in said:
            if name not in alerts.get(alert, set()):
                wrong(f"docs/METRICS.md: {name} names {alert}, which does not use it")

    for anchor in re.findall(r"\]\(#([^)]*)\)", read("docs/RUNBOOK.md")):
        if anchor not in anchors():
            wrong(f"docs/RUNBOOK.md leads to #{anchor}, which it does not have")

    path = ROOT / "deploy/grafana/fuelsync.json"
    board = json.loads(path.read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in board["panels"]]
    if len(ids) != len(set(ids)):
        wrong("the dashboard has two panels of one id")
    sources = [v for v in board["templating"]["list"] if v["type"] == "datasource"]
    if [v["query"] for v in sources] != ["prometheus"]:
        wrong("the dashboard has no variable for its data source")
    queries = [t["expr"] for panel in board["panels"] for t in panel.get("targets", [])]
    queries += [a["expr"] for a in board["annotations"]["list"] if "expr" in a]
    shown = set()
    for name in NAME.findall(json.dumps(board)):
        if base(name, metrics) is None:
            wrong(f"the dashboard asks for {name}, which docs/METRICS.md does not have")
        shown.add(base(name, metrics))
    for name in set(metrics) - shown:
        wrong(f"the dashboard does not show {name}")
    for panel in board["panels"]:
        for at in [panel, *panel.get("targets", [])]:
            if panel["type"] != "row" and at.get("datasource", {}).get("uid") != "${datasource}":
                wrong(f"the panel {panel['title']!r} names a data source of its own")

    # For promtool: the metrics as they would be served, and the dashboard's queries as rules.
    text = []
    for name, (kind, labels, meaning, _) in metrics.items():
        given = ",".join(f'{label}="x"' for label in sorted(labels))
        series = f"{{{given}}}" if given else ""
        text += [f"# HELP {name} {meaning.replace('`', '')}", f"# TYPE {name} {kind}"]
        if kind == "histogram":
            more = given + "," if given else ""
            text += [f'{name}_bucket{{{more}le="+Inf"}} 1', f"{name}_sum{series} 1", f"{name}_count{series} 1"]
        else:
            text.append(f"{name}{series} 1")
    (out / "metrics.txt").write_text("\n".join(text) + "\n", encoding="utf-8")
    rules = [{"record": f"dashboard:query:{n}", "expr": q.replace("$__rate_interval", "5m")} for n, q in enumerate(queries)]
    (out / "dashboard.rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    print(f"{len(metrics)} metrics, {len(alerts)} alerts, {len(queries)} queries of the dashboard")


def anchors():
    heads = re.findall(r"^#+ (.*)$", read("docs/RUNBOOK.md"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def render(folder):
    """Resources, ConfigMaps of files, namespace and image tags; a generated name gets no hash."""
    def load(folder, namespace=None):
        kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
        known = {"apiVersion", "kind", "namespace", "resources", "configMapGenerator", "images"}
        if set(kustomization) - known:
            raise SystemExit(f"{folder}: {set(kustomization) - known} is not known here; use kubectl")
        found = []
        for resource in kustomization.get("resources", []):
            path = folder / resource
            found += load(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        for made in kustomization.get("configMapGenerator", []):
            found.append({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": made["name"], "labels": made.get("options", {}).get("labels", {})},
                "data": {f: (folder / f).read_text(encoding="utf-8") for f in made["files"]},
            })
        for one in found:
            one["metadata"]["namespace"] = kustomization.get("namespace", namespace)
            for container in containers(one):
                for image in kustomization.get("images", []):
                    name, _, tag = container["image"].rpartition(":")
                    if name == image["name"]:
                        container["image"] = f"{image.get('newName', name)}:{image.get('newTag', tag)}"
        return found
    yaml.safe_dump_all(load(folder), sys.stdout, sort_keys=False)


def pod(resource):
    spec = resource.get("spec", {})
    if resource["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return spec["template"]["spec"] if resource["kind"] in ("Deployment", "Job", "CronJob") else None


def containers(resource):
    spec = pod(resource)
    return [] if spec is None else spec["containers"] + spec.get("initContainers", [])


def policy(files):
    pods = 0
    for file in files:
        resources = [r for r in yaml.safe_load_all(file.read_text(encoding="utf-8")) if r]
        maps = {r["metadata"]["name"] for r in resources if r["kind"] == "ConfigMap"}
        accounts = {r["metadata"]["name"]: r for r in resources if r["kind"] == "ServiceAccount"}
        for account in accounts.values():
            if account.get("automountServiceAccountToken") is not False:
                wrong(f"{file.name}: the service account gets a token")
        for resource in resources:
            spec = pod(resource)
            if spec is None:
                continue
            pods += 1
            where = f"{file.name}: {resource['kind']}/{resource['metadata']['name']}"
            context = spec.get("securityContext", {})
            if not context.get("runAsNonRoot") or not context.get("runAsUser") or context["runAsUser"] == 0:
                wrong(f"{where} may run as root")
            if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
                wrong(f"{where} has no seccomp profile")
            if spec.get("automountServiceAccountToken") is not False:
                wrong(f"{where} mounts a token")
            if spec.get("serviceAccountName") not in accounts:
                wrong(f"{where} has no service account of its own")
            if any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
                wrong(f"{where} shares the host's namespaces")
            allowed = {"configMap", "secret", "projected", "emptyDir"}
            volumes = {v["name"]: (set(v) - {"name"}).pop() for v in spec.get("volumes", [])}
            if set(volumes.values()) - allowed:
                wrong(f"{where} has volumes of {set(volumes.values()) - allowed}")
            for volume in spec.get("volumes", []):
                for source in volume.get("projected", {}).get("sources", []):
                    if "configMap" in source and source["configMap"]["name"] not in maps:
                        wrong(f"{where} names the ConfigMap {source['configMap']['name']}, which is not there")
            for container in containers(resource):
                own = container.get("securityContext", {})
                if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
                    wrong(f"{where} may gain privileges")
                if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
                    wrong(f"{where} keeps capabilities")
                if own.get("readOnlyRootFilesystem") is not True:
                    wrong(f"{where} may write to its root")
                mounts = {m["mountPath"]: volumes.get(m["name"]) for m in container.get("volumeMounts", [])}
                temporary = {e["name"]: e.get("value") for e in container.get("env", [])}.get("TMPDIR")
                if mounts.get(temporary) != "emptyDir":
                    wrong(f"{where} has nowhere to write")
                resources_ = container.get("resources", {})
                if not resources_.get("requests") or "memory" not in resources_.get("limits", {}):
                    wrong(f"{where} names no resources")
    if pods == 0:
        wrong("no pod found")
    print(f"{pods} kinds of pods, all restricted")


def main():
    command, arguments = sys.argv[1], [pathlib.Path(a) for a in sys.argv[2:]]
    if command == "names":
        names(arguments[0])
    elif command == "render":
        render(arguments[0])
    elif command == "policy":
        policy(arguments)
    else:
        raise SystemExit(__doc__)
    for fault in faults:
        print(f"  {fault}", file=sys.stderr)
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
