// SPDX-License-Identifier: Apache-2.0

/// The page for browsers: one file, nothing loaded from elsewhere. It reads `/v1/status` and follows `/v1/events`, and writes text only,
/// never markup that came from outside.
package enum DashboardPage {
    package static let html = """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>meshgate</title>
        <style>
        :root { color-scheme: light dark; font: 14px/1.45 system-ui, sans-serif }
        body { margin: 1.5rem auto; max-width: 72rem; padding: 0 1rem }
        h1 { font-size: 1.3rem; margin: 0 } h2 { font-size: 1rem; margin: 1.4rem 0 .4rem }
        table { border-collapse: collapse; width: 100% }
        td, th { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; border-top: 1px solid #8884 }
        .state { font-weight: 600; white-space: nowrap } .quiet { opacity: .65 }
        .done, .unchanged, .up { color: #1a7f37 } .running, .verifying { color: #0969da }
        .held { color: #9a6700 } .failed, .down, .lost { color: #cf222e }
        progress { width: 100%; height: .6rem } #events { font-family: ui-monospace, monospace; font-size: 12px; white-space: pre-wrap }
        </style></head><body>
        <h1 id="mesh">meshgate</h1><p id="line" class="quiet">asking the coordinator</p><progress id="bar" max="1" value="0"></progress>
        <h2>Steps</h2><table id="steps"></table><h2>Nodes</h2><table id="nodes"></table><h2>Events</h2><div id="events"></div>
        <script>
        "use strict";
        const at = id => document.getElementById(id);
        function cell(row, text, name) {
          const td = document.createElement("td"); td.textContent = text ?? ""; if (name) td.className = name; row.append(td);
        }
        function fill(id, rows) {
          at(id).replaceChildren(...rows.map(cells => {
            const row = document.createElement("tr"); for (const [text, name] of cells) cell(row, text, name); return row;
          }));
        }
        function say(reasons) { return reasons.slice(0, 3).map(r => r.gate + " " + r.detail + " \\u2192 " + r.remedy).join("\\n"); }
        function why(step) {
          if (step.lost && step.lost.length) return "ground lost: " + say(step.lost);
          return step.reasons.length
            ? say(step.reasons) : step.detail;
        }
        function show(s) {
          at("mesh").textContent = "mesh " + s.mesh; const run = s.run, steps = run ? run.steps : [];
          const over = steps.filter(x => x.state === "done" || x.state === "unchanged").length;
          at("bar").max = Math.max(1, steps.length); at("bar").value = over;
          at("line").textContent = (run
            ? "run " + run.id + ": " + (run.ending ?? "going on") + ", " + over + " of " + steps.length + " steps done"
            : "no run yet")
            + " \\u00b7 epoch " + s.epoch + " \\u00b7 journal " + s.journal.sequence + " \\u00b7 " + s.version;
          at("line").className = "quiet";
          const order = { failed: 0, held: 1, running: 2, verifying: 3, waiting: 4 };
          const rank = x => x.lost ? 1 : order[x.state] ?? 5;
          fill("steps", [...steps].sort((a, b) => rank(a) - rank(b)).slice(0, 500).map(x =>
            [[x.state, "state " + (x.lost ? "held" : x.state)], [x.id], [x.title, "quiet"], [why(x)]]));
          fill("nodes", s.nodes.slice(0, 500).map(n =>
            [[n.connected ? "connected" : "away", "state " + (n.connected ? "up" : "down")], [n.name], [n.cluster], [n.address, "quiet"]]));
        }
        async function look() {
          try {
            const answer = await fetch("/v1/status"); if (!answer.ok) throw new Error("status " + answer.status);
            show(await answer.json());
          } catch (error) { at("line").textContent = "the coordinator does not answer: " + error.message; at("line").className = "lost"; }
          setTimeout(look, 2000);
        }
        const kinds = ["coordinatorStarted", "runStarted", "warrantTaken", "overrideGranted", "stepHeld", "stepSkipped", "stepStarted",
          "stepReported", "stepFinished", "stepFailed", "stepUnsettled", "stepReturned", "stepRegressed", "stepRecovered", "runFinished", "agentEnrolled", "bootSeen",
          "agentRevoked", "alarm"];
        const feed = new EventSource("/v1/events?follow=true");
        for (const kind of kinds) feed.addEventListener(kind, message => {
          const event = JSON.parse(message.data), line = document.createElement("div");
          line.textContent = event.time + "  " + event.text; at("events").prepend(line);
          while (at("events").childElementCount > 200) at("events").lastElementChild.remove();
        });
        look();
        </script></body></html>

        """
}
