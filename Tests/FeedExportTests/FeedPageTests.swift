// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Telemetry
import Testing

@testable import FeedExport

@Suite("Telemetry on the dashboard")
struct FeedPageTests {
    private let samples: FeedSamples

    init() throws { samples = try FeedSamples() }

    private var board: Board {
        Board(
            mesh: "home", version: "1.0", epoch: 3, journal: 40, taken: samples.noon.wall, run: nil, picture: MeshPicture(), machines: [],
            wipes: [], runs: [], events: [])
    }

    private func stored(_ kind: EventKind, _ attributes: EventAttributes = EventAttributes()) throws -> StoredEvent {
        var event = TelemetryEvent(time: EventTime(nanoseconds: 1_764_000_000_250_000_000), kind: kind, attributes: attributes)
        event.body = .json(#"{"arguments":["sh","--password=secret"]}"#)
        return StoredEvent(
            node: samples.node, cluster: ClusterName("east"),
            stream: TelemetryStream(source: .tracer, boot: try #require(BootID("0f6f2c1e-8a53")), instance: 1), number: 1, event: event)
    }

    private func line(lost: [LossReason: UInt64] = [:]) -> FeedView.Line {
        FeedView.Line(
            node: samples.node, cluster: ClusterName("east"),
            account: TelemetryAccount(produced: 120, delivered: 100, lost: lost), statedAt: nil)
    }

    private func html(_ feed: FeedView?, _ query: [String: String] = [:]) -> String {
        BoardPage(board, filter: BoardFilter(query: { query[$0] }), feed: feed).html
    }

    @Test("events stand there without a script, without what programs were started with, and each loss with its reason")
    func shown() throws {
        let exec = try stored(.processExec, EventAttributes(binary: "/usr/bin/nc", pid: 3))
        let drop = try stored(
            .packetDrop,
            EventAttributes(
                reason: "NETFILTER_DROP", source: EventPeer(address: "10.0.0.1", port: 1),
                destination: EventPeer(address: "fd00::2", port: 2)))
        let page = html(FeedView(lines: [line(lost: [.ringFull: 7, .missing: 13])], events: [drop, exec]))
        #expect(page.contains("<span class=\"program\">/usr/bin/nc</span>") && page.contains("16:00:00.250Z"))
        #expect(page.contains("10.0.0.1:1 \u{2192} [fd00::2]:2 \u{00B7} NETFILTER_DROP"))
        #expect(page.contains("<strong class=\"failed\">20</strong> <span class=\"quiet\">missing 13, ring_full 7</span>"))
        #expect(page.contains("class=\"kind held\">packet_drop"))
        #expect(page.contains("href=\"#telemetry\""))
        #expect(!page.contains("secret") && !page.contains("password"))
    }

    @Test("what was chosen is chosen on the page that comes, and asked of the store; what is not understood is no filter")
    func filters() throws {
        let chosen = ["cluster": "east", "node": samples.node.text, "what": "packet_drop", "program": "nc", "reason": "NET*"]
        let page = html(FeedView(lines: [line()], events: []), chosen)
        #expect(page.contains("<option selected>east</option>") && page.contains("<option selected>packet_drop</option>"))
        #expect(page.contains("name=\"program\" value=\"nc\""))
        let since = EventTime(nanoseconds: 5)
        #expect(
            FeedFilter { chosen[$0] }.query(since: since)
                == TelemetryQuery(
                    since: since, cluster: ClusterName("east"), node: samples.node, kind: .packetDrop, binary: TextPattern("*nc*"),
                    reason: TextPattern("NET*")))
        let nonsense = ["cluster": "EAST", "node": "a b", "what": "<x>", "program": ""]
        #expect(FeedFilter { nonsense[$0] }.query(since: since) == TelemetryQuery(since: since))
    }

    @Test("without telemetry there is no part for it, and a mesh whose hosts have not spoken is told what sends it")
    func none() {
        #expect(!html(nil).contains("What hosts see"))
        #expect(html(FeedView(lines: [], events: [])).contains("meshgate-tracer"))
    }

    @Test("words of hosts are text, whatever they hold", arguments: 0..<20 as Range<UInt64>)
    func hostile(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let alphabet = Array("<>&\"'`=/ ab\u{0}\u{1b}\u{202e}\u{2028}é")
        func word() -> String {
            String((0..<Int.random(in: 0...30, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "x" })
        }
        func tags(_ page: String) -> Int { page.count { $0 == "<" } }
        let plain = try stored(
            .packetDrop,
            EventAttributes(
                binary: "a", device: "a", reason: "a", verdict: "a", source: EventPeer(address: "a"), destination: EventPeer(address: "a")))
        let spoiled = try stored(
            .packetDrop,
            EventAttributes(
                binary: word(), device: word(), reason: word(), verdict: word(), source: EventPeer(address: word()),
                destination: EventPeer(address: word())))
        let filter = ["program": word(), "reason": word(), "node": word(), "what": word()]
        #expect(
            tags(html(FeedView(lines: [line()], events: [spoiled]), filter)) == tags(html(FeedView(lines: [line()], events: [plain]))))
    }

    @Test("script and page know the same kinds as trouble, and the script asks for outlines only")
    func script() {
        for kind in EventKind.known where !BoardPage.mood(kind).isEmpty {
            #expect(BoardPage.script.contains("\(kind): \"\(BoardPage.mood(kind))\""), "\(kind)")
        }
        #expect(BoardPage.script.contains("/v1/telemetry/live?"))
    }
}
