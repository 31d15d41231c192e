// SPDX-License-Identifier: Apache-2.0

import FeedExport
import Foundation
import Gating
import MeshModel
import MeshTesting
import Planning
import Running
import Testing

@Suite("The dashboard")
struct DashboardTests {
    private let samples: FeedSamples

    init() throws { samples = try FeedSamples() }

    private func reason(_ detail: String) -> Reason {
        Reason(.reach, .node(samples.node), .unreachable, detail, remedy: "look at the port")
    }

    private func board(_ steps: [Board.Step] = [], ending: String? = nil) -> Board {
        Board(
            mesh: "home", version: "1.0", epoch: 3, journal: 40, taken: samples.noon.wall,
            run: .init(id: samples.run, purpose: "build", by: "uid 0", startedAt: samples.noon.wall, ending: ending, steps: steps),
            picture: MeshPicture(), machines: [], wipes: [], runs: [], events: [])
    }

    private func step(_ id: StepID, _ state: Board.Step.State, title: String = "do it", reasons: [Reason] = []) -> Board.Step {
        Board.Step(id: id, title: title, state: state, since: samples.noon.wall, detail: "", reasons: reasons, lost: [])
    }

    private func html(_ board: Board, _ filter: BoardFilter = BoardFilter()) -> String { BoardPage(board, filter: filter).html }

    // MARK: what comes from outside

    @Test("it loads nothing from elsewhere, has no style or script within, and its script writes no markup of its own")
    func closed() {
        let page = html(board([step(samples.wipe, .held, reasons: [reason("x")])]))
        for word in ["http://", "https://", "<style", "style=", "onclick", "onload", "javascript:"] {
            #expect(!page.contains(word), "\(word)")
        }
        #expect(page.hasPrefix("<!doctype html>") && page.contains("href=\"/dashboard.css\"") && page.contains("src=\"/dashboard.js\""))
        for word in ["http", "innerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("] {
            #expect(!BoardPage.script.contains(word), "\(word)")
        }
        #expect(!BoardPage.stylesheet.contains("http") && !BoardPage.stylesheet.contains("@import"))
    }

    @Test("a stream that was refused is asked for again by the script, as a browser does that only for one that broke off")
    func refusedStream() {
        let script = BoardPage.script
        let handlers = script.components(separatedBy: ".onerror = ").dropFirst()
        #expect(handlers.count == 2 && handlers.allSatisfy { $0.prefix { $0 != ";" }.contains("broken(") })
        #expect(script.contains("readyState !== EventSource.CLOSED") && script.contains("setTimeout(again, later)"))
    }

    @Test("words from hosts and tools are text, whatever they hold")
    func escaped() throws {
        let hostile = "<script>alert(1)</script>\"' onload='x' & \u{202E}txt\u{0}\u{7}"
        var board = board([step(samples.wipe, .failed, title: hostile, reasons: [reason(hostile)])])
        board.mesh = hostile
        board.machines = [
            .init(name: samples.node, cluster: nil, isConnected: true, address: hostile, agentVersion: hostile, certificateEnds: nil)
        ]
        board.wipes = [
            .init(
                step: samples.wipe, node: samples.node, state: .held, disk: hostile, contents: [hostile], isBlank: false, method: hostile,
                warrant: .needed, obstacles: [reason(hostile)])
        ]
        board.events = [FeedEvent(samples.record(1, .alarm(subject: .mesh, text: hostile)), run: nil)]
        let page = html(board, BoardFilter(text: hostile))
        #expect(!page.contains("<script>") && !page.contains("\u{202E}") && !page.contains("\u{0}") && !page.contains("\u{7}"))
        #expect(!page.contains("\"' onload"))
        #expect(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39; onload=&#39;x&#39; &amp; \u{FFFD}txt\u{FFFD}\u{FFFD}"))
    }

    @Test("random text never leaves its place: every page has the same tags", arguments: 0..<40 as Range<UInt64>)
    func fuzz(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let alphabet = Array("<>&\"'/=!-abc \n\t\u{0}\u{1B}\u{202E}\u{FFFD}é😀".unicodeScalars)
        let text = String(
            String.UnicodeScalarView((0..<Int.random(in: 0...80, using: &random)).map { _ in alphabet.randomElement(using: &random)! }))
        let plain = html(board([step(samples.wipe, .held, title: "t", reasons: [reason("r")])]))
        let page = html(board([step(samples.wipe, .held, title: text, reasons: [reason(text)])]))
        #expect(Self.tags(page) == Self.tags(plain))
    }

    private static func tags(_ page: String) -> [Substring] {
        page.split(separator: "<").dropFirst().map { $0.prefix { $0 != ">" } }
    }

    // MARK: what it says

    @Test("what holds is said first, with gate, detail and remedy, and in the title")
    func held() {
        let page = html(board([step(samples.wipe, .held, reasons: [reason("no answer")]), step(samples.connect, .waiting)]))
        #expect(page.contains("<title>home: 1 held</title>"))
        let obstacles = page.split(separator: "id=\"obstacles\"").last.map(String.init) ?? ""
        #expect(obstacles.contains("<strong>talos-east/wrk-e-1/wipe-vdb</strong>"))
        #expect(obstacles.contains("</code> no answer <span class=\"remedy\">look at the port</span>"))
    }

    @Test("a filter picks steps by state and events by kind and words, and one that is not known picks all")
    func filters() throws {
        var board = board([step(samples.wipe, .held, reasons: [reason("x")]), step(samples.connect, .waiting)])
        board.events = [
            FeedEvent(samples.record(1, .alarm(subject: .mesh, text: "the roof is on fire")), run: nil),
            FeedEvent(samples.record(2, .stepFinished(step: samples.connect, attempt: 1)), run: samples.run),
        ]
        func query(_ pairs: [String: String]) -> BoardFilter { BoardFilter { pairs[$0] } }
        func plan(_ filter: BoardFilter) -> Substring {
            html(board, filter).split(separator: "id=\"plan\"").last?.split(separator: "</section>").first ?? ""
        }
        #expect(plan(query(["state": "held"])).contains("wipe-vdb") && !plan(query(["state": "held"])).contains("mesh/connect"))
        #expect(plan(query(["state": "<x>"])).contains("mesh/connect") && plan(query([:])).contains("wipe-vdb"))
        func events(_ filter: BoardFilter) -> Substring { html(board, filter).split(separator: "id=\"feed\"").last ?? "" }
        #expect(events(query(["kind": "alarm"])).contains("roof") && !events(query(["kind": "alarm"])).contains("is done and seen"))
        #expect(events(query(["text": "ROOF"])).contains("roof") && !events(query(["text": "ROOF"])).contains("is done and seen"))
        #expect(events(query(["kind": "nonsense"])).contains("is done and seen"))
    }

    @Test(
        "a row has a value for each column, and every value says its column's name where the columns do not stand above it, as on a phone")
    func columns() {
        var board = board([step(samples.wipe, .held, reasons: [reason("x")]), step(samples.connect, .waiting)])
        board.machines = [
            .init(
                name: samples.node, cluster: nil, isConnected: true, address: "10.0.0.1:4000", agentVersion: "1.0",
                certificateEnds: samples.noon.wall)
        ]
        board.wipes = [
            .init(
                step: samples.wipe, node: samples.node, state: .held, disk: "vdb", contents: ["ext4"], isBlank: false, method: "labels",
                warrant: .needed, obstacles: [])
        ]
        let page = html(board)
        let tables = page.split(separator: "<table>").dropFirst()
        #expect(tables.count == 4)
        for table in tables {
            let rows = (table.split(separator: "</table>").first ?? "").split(separator: "<tr>").dropFirst()
            let columns = rows.first?.split(separator: "<th scope=\"col\"").count ?? 0
            for row in rows.dropFirst() {
                let named = row.split(separator: "<th scope=\"row\">", omittingEmptySubsequences: false).count - 1
                #expect(named == 1 && row.split(separator: "<td", omittingEmptySubsequences: false).count == columns, "\(row)")
            }
        }
        for name in ["Since", "Cluster", "Comes from", "Version", "Certificate until", "Disk", "On it", "Method", "Warrant"] {
            #expect(page.contains("<td data-name=\"\(name)\">") == (name != "Cluster"), "\(name): no name before nothing")
        }
        #expect(BoardPage.stylesheet.contains("attr(data-name)"))
    }

    @Test("lists that scroll can be reached with the keyboard, and say what they are")
    func reachable() {
        let lists = html(board()).split(separator: "<ol ").dropFirst()
        #expect(!lists.isEmpty && lists.allSatisfy { $0.contains("tabindex=\"0\" aria-label=\"") })
    }

    @Test("a plan of thousands of steps is cut and counted")
    func large() throws {
        let steps = try (0..<3000).map { index in
            step(try #require(StepID("talos-east/wrk-\(index)/wipe-vdb")), .held, reasons: [reason("r")])
        }
        let page = html(board(steps))
        #expect(page.contains("and 2600 more steps") && page.utf8.count < 1_000_000)
    }

    // MARK: the picture

    @Test("every cluster and every node has its place inside the picture, up to eight clusters", arguments: 1...8)
    func picture(count: Int) throws {
        var picture = MeshPicture()
        picture.clusters = try (1...count).map { index in
            .init(
                name: try #require(ClusterName("c\(index)")), id: index,
                nodes: [.init(name: samples.node, role: "worker", isConnected: index % 2 == 0)], cilium: nil)
        }
        var board = board()
        board.picture = picture
        let page = html(board)
        #expect(page.split(separator: "<rect class=\"cluster").count == count + 1)
        #expect(page.split(separator: "<path class=\"way").count - 3 == count * (count - 1) / 2 + 1, "three are in the key")
        let view = try #require(page.split(separator: "viewBox=\"0 0 960 ").last?.split(separator: "\"").first.flatMap { Int($0) })
        for box in page.split(separator: "<rect class=\"cluster").dropFirst() {
            let x = try #require(Self.number("x", box)), y = try #require(Self.number("y", box))
            let width = try #require(Self.number("width", box)), height = try #require(Self.number("height", box))
            #expect(x >= 0 && y >= 0 && x + width <= 960 && y + height <= view)
        }
    }

    private static func number(_ name: String, _ tag: Substring) -> Int? {
        tag.split(separator: " \(name)=\"").dropFirst().first?.split(separator: "\"").first.flatMap { Int($0) }
    }

    @Test("with more clusters than can be drawn the table tells alone")
    func crowd() throws {
        var picture = MeshPicture()
        picture.clusters = try (1...20).map { .init(name: try #require(ClusterName("c\($0)")), id: $0, nodes: [], cilium: nil) }
        let first = picture.clusters[0].name, second = picture.clusters[1].name
        picture.ways = [.init(from: first, to: second, good: 3, bad: 1, unknown: 2, narrowest: 1400, needed: 1500, roundTrip: 345)]
        var board = board()
        board.picture = picture
        let page = html(board)
        #expect(!page.contains("<svg class=\"mesh\""))
        #expect(page.contains("c1 → c2") && page.contains("3 of 6") && page.contains("1400 of 1500 B") && page.contains("0.35 ms"))
    }

    @Test("before there is a run it says how to begin one")
    func empty() {
        var board = board()
        board.run = nil
        #expect(html(board).contains("meshgate apply") && html(board).contains("<title>home: no run yet</title>"))
    }
}

@Suite("The picture of a mesh")
struct MeshPictureTests {
    private let samples: FeedSamples
    init() throws { samples = try FeedSamples() }

    @Test("it is empty before the first run, and knows clusters and agents after it")
    func nodes() throws {
        #expect(MeshPicture(machine: RunMachine(), connected: [], now: samples.noon).clusters.isEmpty)
        var machine = RunMachine()
        machine.apply(.runStarted(run: samples.run, plan: try samples.plan(), by: "uid 0"), at: samples.noon)
        let picture = MeshPicture(machine: machine, connected: [samples.node], now: samples.noon)
        #expect(picture.clusters.map(\.name) == [samples.cluster])
        #expect(picture.clusters[0].nodes == [.init(name: samples.node, role: "worker", isConnected: true)])
        #expect(MeshPicture(machine: machine, connected: [], now: samples.noon).clusters[0].nodes[0].isConnected == false)
    }

    /// Two clusters of one node each, each measuring its way to the other.
    private func twoClusters() throws -> (RunMachine, [NodeID: PathTarget]) {
        var spec = try samples.plan().spec
        var west = spec.clusters[0]
        west.name = try #require(ClusterName("talos-west"))
        west.id = 2
        west.nodes[0].name = try #require(NodeID("wrk-w-1"))
        west.nodes[0].address = try #require(IPAddress("192.168.16.21"))
        spec.clusters.append(west)
        let nodes = spec.members.map(\.node)
        let ways = [
            nodes[0].name: PathTarget(node: nodes[1].name, address: nodes[1].address, port: 8472, mtu: 1500),
            nodes[1].name: PathTarget(node: nodes[0].name, address: nodes[0].address, port: 8472, mtu: 1500),
        ]
        let step = Step(
            id: samples.connect, title: "connect", place: .mesh, action: .connectClustermesh(spec.clusters.map(\.name)),
            gates: ways.sorted { $0.key < $1.key }.flatMap { [Requirement.answered($0.key, [$0.value]), .carries($0.key, [$0.value])] },
            done: [])
        let plan = Plan(body: .init(spec: spec, planner: 1, steps: [step]), digest: .zero)
        var machine = RunMachine()
        machine.apply(.runStarted(run: samples.run, plan: plan, by: "uid 0"), at: samples.noon)
        return (machine, ways)
    }

    private func evidence(_ node: NodeID, _ target: PathTarget, there: Int) -> JournalEntry {
        let echo = PathFact.Echo(
            port: 8472, sent: 20, received: 20, median: 340, slowest: 800, local: target.address, seen: target.address, there: there,
            back: 1500)
        return .evidenceTaken(
            Evidence(
                subject: .node(node), probe: .paths, bootID: samples.boot, takenAt: samples.noon,
                facts: [.path(PathFact(target: target, echo: echo, pinged: true, health: .refused))]))
    }

    @Test("a way is what its gates say: unknown, then good; a hole in one direction is that direction's, with its reason")
    func ways() throws {
        var (machine, ways) = try twoClusters()
        #expect(MeshPicture(machine: machine, connected: [], now: samples.noon).ways.map(\.state) == [.unknown, .unknown])
        let (east, west) = (ways.keys.min()!, ways.keys.max()!)
        machine.apply(evidence(east, ways[east]!, there: 1500), at: samples.noon)
        machine.apply(evidence(west, ways[west]!, there: 1400), at: samples.noon)
        let seen = MeshPicture(machine: machine, connected: [], now: samples.noon).ways
        #expect(seen.map(\.state) == [.good, .bad])
        #expect(seen.map(\.narrowest) == [1500, 1400] && seen.map(\.roundTrip) == [340, 340])
        #expect(seen[1].problem?.detail.contains("1400 bytes") == true && seen[1].from.text == "talos-west")
        let later = Moment(wall: samples.noon.wall, boot: samples.noon.boot + 86_400_000)
        #expect(MeshPicture(machine: machine, connected: [], now: later).ways.map(\.state) == [.unknown, .unknown], "old evidence is none")
    }
}

@Suite("The recent past")
struct RecentPastTests {
    private let samples: FeedSamples
    init() throws { samples = try FeedSamples() }

    @Test("runs are folded from the journal: what they were for, what they changed and how they ended")
    func runs() throws {
        let past = RecentPast()
        let plan = try samples.plan()
        past.take([
            samples.record(1, .runStarted(run: samples.run, plan: plan, by: "uid 0")),
            samples.record(2, .stepFinished(step: samples.connect, attempt: 1)),
            samples.record(3, .stepFailed(step: samples.wipe, attempt: 1, problem: "x")),
            samples.record(4, .runFinished(run: samples.run, ending: .failed)),
        ])
        let second = try #require(RunID("run-2"))
        past.take([samples.record(5, .runStarted(run: second, plan: plan, by: "anna"))])
        #expect(past.runs.map(\.id) == [second, samples.run])
        let first = past.runs[1]
        #expect(first.changed == 1 && first.failed == 1 && first.ending == .failed && first.endedAt == samples.noon.wall)
        #expect(past.runs[0].ending == nil && past.runs[0].steps == plan.steps.count)
        #expect(past.events.map(\.sequence) == [5, 4, 3, 2, 1])
    }

    @Test("it keeps so much and no more, and no evidence")
    func bounds() throws {
        let past = RecentPast()
        for number in 1...1000 as ClosedRange<UInt64> { past.take([samples.alarm(number)]) }
        #expect(past.events.count == 200 && past.events.first?.sequence == 1000)
        past.take([samples.record(1001, .evidenceRenewed(key: EvidenceKey(.node(samples.node), .links), takenAt: samples.noon))])
        #expect(past.events.first?.sequence == 1000)
        let plan = try samples.plan()
        for number in 0..<100 {
            past.take([samples.record(UInt64(2000 + number), .runStarted(run: try #require(RunID("run-\(number)")), plan: plan, by: "a"))])
        }
        #expect(past.runs.count == 50)
    }

    @Test("every kind that the page offers is one that the feed tells of")
    func kinds() {
        for kind in RecentPast.kinds { #expect(!kind.isEmpty && kind.allSatisfy(\.isLetter)) }
        #expect(Set(RecentPast.kinds).count == RecentPast.kinds.count)
    }
}
