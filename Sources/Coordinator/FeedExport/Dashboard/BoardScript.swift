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
        const feed = new EventSource("/v1/events?follow=true&since=" + list.dataset.last);
        const live = text => { document.getElementById("live").textContent = text; };
        live("Asking for the events that happen now.");
        feed.onopen = () => live("Live: events appear as they happen.");
        feed.onerror = () => live("Not live: the stream broke off, and is tried again.");
        for (const option of form.kind.options) if (option.value) feed.addEventListener(option.value, add);

        """
}
