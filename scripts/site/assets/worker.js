// Pages that are opened as files may start no worker, and search is one: it runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(script) {
      super();
      this.frame = document.body.appendChild(document.createElement("iframe"));
      this.frame.hidden = true;
      const inside = this.frame.contentWindow;
      inside.postMessage = data => {
        const event = new MessageEvent("message", { data });
        this.dispatchEvent(event);
        if (this.onmessage) this.onmessage(event);
      };
      inside.importScripts = (...scripts) => Promise.all(scripts.map(each => this.load(each)));
      this.ready = this.load(script);
    }
    load(script) {
      const page = this.frame.contentDocument;
      return new Promise((done, failed) => {
        const tag = page.createElement("script");
        Object.assign(tag, { src: script, onload: done, onerror: failed });
        page.body.append(tag);
      });
    }
    postMessage(data) {
      const inside = this.frame.contentWindow;
      this.ready.then(() => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
