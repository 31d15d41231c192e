// SPDX-License-Identifier: Apache-2.0

/// The page's style: light and dark, narrow and wide. Every text stands out from its ground by 4.5 to 1 or more.
enum BoardStyle {
    static let text = """
        :root { color-scheme: light dark; --ground: #fff; --raised: #f6f8fa; --ink: #1f2328; --soft: #59636e; --rule: #d1d9e0;
          --good: #1a7f37; --bad: #cf222e; --held: #8a5a00; --busy: #0969da; --link: #0969da }
        @media (prefers-color-scheme: dark) {
          :root { --ground: #0d1117; --raised: #151b23; --ink: #e6edf3; --soft: #9198a1; --rule: #3d444d;
            --good: #3fb950; --bad: #ff7b72; --held: #e3b341; --busy: #58a6ff; --link: #58a6ff } }
        * { box-sizing: border-box }
        body { margin: 0 auto; max-width: 78rem; padding: 0 1rem 2rem; background: var(--ground); color: var(--ink);
          font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif }
        a { color: var(--link) } a:focus-visible, summary:focus-visible, button:focus-visible, input:focus-visible,
        select:focus-visible { outline: 2px solid var(--busy); outline-offset: 2px }
        .skip { position: absolute; left: -60rem } .skip:focus { left: 1rem; top: .5rem; background: var(--ground); padding: .3rem }
        header { display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; align-items: baseline; padding-top: 1rem;
          border-bottom: 1px solid var(--rule) }
        h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 1.8rem 0 .5rem }
        nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem } nav a { padding: .2rem 0 }
        #note { flex-basis: 100%; margin: 0; color: var(--bad); font-weight: 600 } #note:empty { display: none }
        p { margin: .3rem 0 } .quiet, footer { color: var(--soft) } footer { margin-top: 2rem; font-size: .85rem }
        code { font: .9em ui-monospace, "DejaVu Sans Mono", monospace }
        progress { width: 100%; height: .7rem; accent-color: var(--busy) }
        ul.counts, ul.filter, ul.key { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: 0; margin: .4rem 0 }
        ul.key { color: var(--soft); font-size: .85rem } ul.key svg { height: .9rem; vertical-align: -.1rem }
        ul.filter a[aria-current] { font-weight: 700; color: var(--ink) }
        .badge { font-weight: 600; white-space: nowrap } .badge::before { content: "\\25CF"; margin-right: .3em }
        .done, .unchanged { color: var(--good) } .running, .verifying { color: var(--busy) } .held { color: var(--held) }
        .failed { color: var(--bad) } .waiting { color: var(--soft) } .waiting::before { content: "\\25CB" }
        .failed::before { content: "\\25B2" } .held::before { content: "\\25A0" }
        ul.obstacles { list-style: none; padding: 0 } ul.obstacles > li { background: var(--raised); border: 1px solid var(--rule);
          border-left: 4px solid var(--held); border-radius: 6px; padding: .5rem .8rem; margin: .5rem 0; overflow-wrap: anywhere }
        ul.reasons { margin: .2rem 0; padding-left: 1.1rem } .remedy { display: block; color: var(--soft) }
        .remedy::before { content: "\\2192\\00A0" }
        .scroll { overflow-x: auto }
        table { border-collapse: collapse; width: 100% }
        td, tbody th { text-align: left; font-weight: 400; vertical-align: top; padding: .35rem 1rem .35rem 0; border-top: 1px solid var(--rule) }
        thead th { text-align: left; font-size: .85rem; color: var(--soft); padding: .2rem 1rem .2rem 0 }
        tbody th p { margin: 0; max-width: 60rem } time { white-space: nowrap }
        details { margin: .5rem 0; border: 1px solid var(--rule); border-radius: 6px; padding: .3rem .8rem }
        summary { cursor: pointer; font-weight: 600; padding: .2rem 0 } summary .quiet { font-weight: 400 }
        svg.mesh { display: block; width: 100%; min-width: 42rem; max-height: 44rem }
        svg text { fill: var(--ink); font-size: 14px } svg .name { font-weight: 700; font-size: 15px } svg .small { font-size: 12px; fill: var(--soft) }
        svg .label { text-anchor: middle; font-size: 12px }
        svg .cluster { fill: var(--raised); stroke: var(--rule); stroke-width: 1.5 } svg .cluster.bad { stroke: var(--bad); stroke-width: 3 }
        svg .way { fill: none; stroke-width: 4 } svg .plate { fill: var(--ground); stroke-width: 1.5 }
        svg .good { stroke: var(--good) } svg .bad { stroke: var(--bad) } svg .unknown { stroke: var(--soft) }
        svg .way.bad { stroke-dasharray: 12 6 } svg .way.unknown { stroke-dasharray: 2 8; stroke-linecap: round }
        svg .node { stroke-width: 2 } svg .node.good { fill: var(--good) } svg .node.bad { fill: var(--ground) }
        svg .cross { stroke: var(--bad); stroke-width: 2 }
        form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: end; margin: .4rem 0 }
        input, select, button { font: inherit; color: inherit; background: var(--raised); border: 1px solid var(--rule); border-radius: 6px;
          padding: .25rem .5rem }
        .feed { list-style: none; padding: 0; max-height: 32rem; overflow-y: auto; font-size: .9rem; border: 1px solid var(--rule); border-radius: 6px }
        .feed li { padding: .2rem .7rem; border-bottom: 1px solid var(--rule); overflow-wrap: anywhere } .feed time, .kind { color: var(--soft) }
        .feed:focus-visible { outline: 2px solid var(--busy); outline-offset: 2px } .kind.held { color: var(--held) } .kind.failed { color: var(--bad) }
        .kind.held::before, .kind.failed::before { content: none } .program { font: .95em ui-monospace, "DejaVu Sans Mono", monospace }
        .number { text-align: right } thead th.number, td.number { padding-right: 2rem } td.number { font-variant-numeric: tabular-nums }
        .kind { font: .85em ui-monospace, "DejaVu Sans Mono", monospace }
        @media (max-width: 40rem) { body { padding: 0 .7rem 2rem } .scroll table, .scroll tbody, .scroll tr { display: block }
          .scroll td, .scroll tbody th { padding: 0 } .scroll thead { position: absolute; left: -60rem }
          .scroll tr { padding: .5rem 0; border-top: 1px solid var(--rule) } .scroll td, .scroll tbody th { border: 0; overflow-wrap: anywhere;
            display: inline-block; max-width: 100%; margin-right: 1rem }
          .scroll tbody th:has(p) { display: block } .scroll td:empty { display: none } .number { text-align: left }
          td[data-name]::before { content: attr(data-name) ": "; color: var(--soft) } }
        @media (prefers-reduced-motion: no-preference) { progress { transition: none } }

        """
}
