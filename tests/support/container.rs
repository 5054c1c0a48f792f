//! The last resort: `PostgreSQL` in a container. It lives on a thread of its own, because a test's runtime, on which its
//! connections to the engine would live, ends before the container does.

use std::{sync::mpsc, thread::JoinHandle, time::Duration};

use testcontainers::{
    GenericImage, ImageExt,
    core::{IntoContainerPort, WaitFor},
    runners::AsyncRunner,
};

const PASSWORD: &str = "fuelsync-tests";
/// A test process that is killed cannot remove its container: the container ends by itself.
const LONGEST_LIFE: &str = "3600";

/// A running container; removed when dropped.
#[derive(Debug)]
pub(super) struct Container {
    url: String,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Container {
    /// Pulls the image where it is not here, starts it and waits until it serves.
    pub(super) async fn start() -> Result<Self, String> {
        let (ready, started) = tokio::sync::oneshot::channel();
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error.to_string()))),
            };
            runtime.block_on(serve(ready, stopped));
        });
        let url = started.await.map_err(|_| "its thread ended".to_owned())??;
        Ok(Self { url, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

async fn serve(ready: tokio::sync::oneshot::Sender<Result<String, String>>, stopped: mpsc::Receiver<()>) {
    let image = GenericImage::new("postgres", "15")
        .with_exposed_port(5432.tcp())
        .with_wait_for(WaitFor::message_on_stderr("listening on IPv4 address"))
        .with_env_var("POSTGRES_PASSWORD", PASSWORD)
        .with_startup_timeout(Duration::from_mins(5))
        .with_host_config_modifier(|config| config.auto_remove = Some(true))
        .with_cmd(["timeout", LONGEST_LIFE, "docker-entrypoint.sh", "postgres", "-c", "fsync=off"]);
    let container = match image.start().await {
        Ok(container) => container,
        Err(error) => return drop(ready.send(Err(error.to_string()))),
    };
    let address = async { Ok((container.get_host().await?, container.get_host_port_ipv4(5432).await?)) };
    let url = address
        .await
        .map(|(host, port)| format!("postgres://postgres:{PASSWORD}@{host}:{port}/postgres"))
        .map_err(|error: testcontainers::TestcontainersError| error.to_string());
    let _ = ready.send(url);
    let _ = tokio::task::spawn_blocking(move || stopped.recv()).await;
    let _ = container.rm().await;
}

impl Drop for Container {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
