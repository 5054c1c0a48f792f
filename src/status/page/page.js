(()=>{"use strict";
// Fetches the same page and puts in place what has changed, so that nobody loses place, focus or scroll position.
const note=document.getElementById("lost"),shown=new Map();
const parts=doc=>[...doc.querySelectorAll("main>[data-part]")];
for(const part of parts(document))shown.set(part.id,part.outerHTML);
const key=one=>!one||one===document.body?null:one.id?"#"+CSS.escape(one.id):one.matches("a[href]")?'a[href="'+CSS.escape(one.getAttribute("href"))+'"]':null;
const put=(old,young)=>{
const box=old.closest("main"),focus=old.contains(document.activeElement)?key(document.activeElement):null;
const at=[...old.querySelectorAll(".wide")].map(one=>[one.id,one.scrollLeft]);
old.replaceWith(young);
for(const[id,left]of at){const one=document.getElementById(id);if(one)one.scrollLeft=left}
if(focus){const one=box.querySelector(focus);if(one)one.focus({preventScroll:true})}
};
const take=doc=>{
document.title=doc.title;
const old=parts(document),young=parts(doc);
if(old.map(one=>one.id).join()!==young.map(one=>one.id).join()){document.querySelector("main").replaceChildren(...young)}
else young.forEach((one,place)=>{if(shown.get(one.id)!==one.outerHTML)put(old[place],document.importNode(one,true))});
shown.clear();for(const part of parts(doc))shown.set(part.id,part.outerHTML);
if(!shown.size)for(const part of parts(document))shown.set(part.id,part.outerHTML);
};
let busy=false;
const look=async()=>{
if(busy||document.hidden)return;
busy=true;
try{
const answer=await fetch(location.href,{cache:"no-store",signal:AbortSignal.timeout(15000)});
if(!answer.ok)throw new Error(answer.status);
take(new DOMParser().parseFromString(await answer.text(),"text/html"));
note.hidden=true;
}catch{
if(note.hidden){note.textContent="fuelsync does not answer: what stands here may be old. Asked again every 10 seconds.";note.hidden=false}
}finally{busy=false}
};
setInterval(look,10000);
document.addEventListener("visibilitychange",look);
})();
