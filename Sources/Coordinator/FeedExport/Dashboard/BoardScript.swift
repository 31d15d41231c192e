// SPDX-License-Identifier: Apache-2.0

/// The page's script. It writes text only, and takes markup from nobody but the server that wrote the page.
enum BoardScript {
    static let text = """
        "use strict";
        const note = text => { document.getElementById("note").textContent = text; };

        // The page as it is now: each part that has changed takes the place of the old one, unless somebody is in it.
        async function refresh() {
          if (document.hidden) return;
          try {
            const answer = await fetch(location.pathname + location.search, { cache: "no-store" });
            if (!answer.ok) throw new Error("status " + answer.status);
            const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
            document.title = fresh.title;
            for (const part of document.querySelectorAll("[data-part]")) {
              const next = fresh.querySelector('[data-part="' + part.dataset.part + '"]');
              if (!next || part.contains(document.activeElement)) continue;
              for (const open of part.querySelectorAll("details[id]")) {
                const same = next.querySelector("#" + CSS.escape(open.id));
                if (same) same.open = open.open;
              }
              if (next.outerHTML !== part.outerHTML) part.replaceWith(document.adoptNode(next));
            }
            note("");
          } catch (error) { note("The coordinator does not answer (" + error.message + "); what is shown may be old."); }
        }
        setInterval(refresh, 2000);

        // Events as they happen, behind those that the page came with.
        const list = document.getElementById("feed"), form = document.getElementById("filter");
        const kept = row => (!form.kind.value || row.dataset.kind === form.kind.value)
          && row.textContent.toLowerCase().includes(form.text.value.toLowerCase());
        const sift = () => { for (const row of list.children) row.hidden = !kept(row); };
        form.addEventListener("input", sift);
        function word(name, className, text) {
          const element = document.createElement(name); element.className = className; element.textContent = text; return element;
        }
        function add(message) {
          const event = JSON.parse(message.data), row = document.createElement("li");
          const time = word("time", "", event.time.slice(0, 10) + " " + event.time.slice(11, 19) + "Z");
          time.dateTime = event.time;
          row.dataset.kind = event.kind;
          row.append(time, " ", word("span", "kind", event.kind), " " + event.text);
          row.hidden = !kept(row);
          list.prepend(row);
          while (list.childElementCount > 500) list.lastElementChild.remove();
        }
        // A browser goes on by itself when a stream breaks off, but never asks again where it was refused: then we do, a little later.
        const later = 10000;
        function broken(stream, say, again) {
          if (stream.readyState !== EventSource.CLOSED) return say("Not live: the stream broke off, and is tried again.");
          say("Not live: the coordinator gives no stream now; it is asked again in " + later / 1000 + " seconds.");
          return setTimeout(again, later);
        }
        const live = text => { document.getElementById("live").textContent = text; };
        let last = list.dataset.last;
        function follow() {
          const feed = new EventSource("/v1/events?follow=true&since=" + encodeURIComponent(last));
          feed.onopen = () => live("Live: events appear as they happen.");
          feed.onerror = () => broken(feed, live, follow);
          const take = message => { last = message.lastEventId || last; add(message); };
          for (const option of form.kind.options) if (option.value) feed.addEventListener(option.value, take);
        }
        live("Asking for the events that happen now.");
        follow();

        // What hosts see, as it comes. The server filters; the page only shows, a few times a second and no more than fits.
        const sights = document.getElementById("sights"), picker = document.getElementById("sift");
        if (sights && picker) {
          const say = text => { document.getElementById("sights-live").textContent = text; };
          const moods = { oom_kill: "failed", disk_error: "failed", packet_drop: "held", packet_drops: "held", tcp_retransmit: "held", source_limited: "held" };
          let stream = null, timer = 0, waiting = [], missed = 0;
          const chosen = () => {
            const query = new URLSearchParams();
            for (const [name, value] of new FormData(picker)) if (value) query.set(name, value);
            return query;
          };
          const part = text => text.includes("*") ? text : "*" + text + "*";
          function row(event) {
            const item = document.createElement("li"), time = word("time", "", event.time.slice(11, 23) + "Z");
            time.dateTime = event.time;
            const ends = [event.from, event.to].filter(Boolean).join(" \u{2192} ");
            item.append(time, " ", word("span", "kind " + (moods[event.kind] || ""), event.kind), " ", word("strong", "", event.node), " ");
            if (event.binary) item.append(word("span", "program", event.binary), " ");
            item.append(word("span", "quiet", [ends, event.device, event.reason, event.verdict].filter(Boolean).join(" \u{00B7} ")));
            return item;
          }
          setInterval(() => {
            if (!waiting.length || document.hidden) return;
            sights.prepend(...waiting.slice(-100).reverse().map(row));
            waiting = [];
            while (sights.childElementCount > 300) sights.lastElementChild.remove();
          }, 250);
          function listen() {
            if (stream) stream.close();
            clearTimeout(timer);
            const query = new URLSearchParams();
            for (const [name, value] of chosen()) {
              if (name === "what") query.set("kind", value);
              else if (name === "program") query.set("binary", part(value));
              else query.set(name, name === "reason" ? part(value) : value);
            }
            missed = 0;
            stream = new EventSource("/v1/telemetry/live?" + query);
            const live = () => say("Live: events appear as they come." + (missed ? " " + missed + " came too fast to be shown." : ""));
            stream.onopen = live;
            const mine = stream;
            stream.onerror = () => { timer = broken(mine, say, listen); };
            stream.addEventListener("telemetry", message => {
              waiting.push(JSON.parse(message.data));
              if (waiting.length > 2000) { missed += waiting.length - 1000; waiting = waiting.slice(-1000); live(); }
            });
            stream.addEventListener("left", message => { missed += JSON.parse(message.data).events; live(); });
          }
          // Another choice: the address says so, the stored ones come with the page, and the new ones follow.
          async function choose() {
            history.replaceState(null, "", "?" + chosen() + "#telemetry");
            waiting = [];
            try {
              const answer = await fetch(location.pathname + location.search, { cache: "no-store" });
              const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("sights");
              if (fresh) sights.replaceChildren(...fresh.children);
            } catch (error) { note("The coordinator does not answer (" + error.message + "); what is shown may be old."); }
            listen();
          }
          picker.addEventListener("change", choose);
          picker.addEventListener("submit", event => { event.preventDefault(); choose(); });
          listen();
        }

        """
}
