// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import OTLPExport
import Testing

@Suite("Sending a stream on")
struct ExportLoopTests {
    private let files = MemoryFiles()
    private static let idle = Duration.seconds(1000)

    /// Runs until there is nothing more to send, or until a retry waits for `limit` or longer.
    private func run(
        _ source: any ExportSource, _ transport: ScriptedTransport, pace: ExportStream.Pace = .follow(every: idle),
        until isOver: @escaping @Sendable (Duration) -> Bool = { $0 >= idle }
    ) async -> (figures: ExportFigures, sleeps: [Duration]) {
        let clock = SleepCounter(isOver)
        let loop = ExportLoop(
            ExportStream(name: "telemetry", signal: .logs, source: source, pace: pace), over: transport,
            positions: PositionFile(path: "/positions/telemetry", files: files), clock: clock, log: silent)
        await loop.run()
        return (loop.figures, clock.sleeps)
    }

    @Test("everything goes out once and in order, and a restart goes on where it ended")
    func order() async {
        let transport = ScriptedTransport()
        let first = await run(NumberSource(20), transport)
        #expect(transport.sent.flatMap { $0 } == (1...20).map { UInt8($0) })
        #expect(first.figures.sent == 20 && first.figures.waitingSince == nil && first.figures.isDelivering)
        let again = await run(NumberSource(25), transport)
        #expect(transport.sent.flatMap { $0 } == (1...25).map { UInt8($0) } && again.figures.sent == 5)
    }

    @Test("what was not answered is sent again, also after a restart, and the wait grows up to its bound and obeys the collector")
    func retries() async {
        let away = OTLPReply.retry(after: nil, why: "unreachable")
        let transport = ScriptedTransport(Array(repeating: away, count: 9) + [.retry(after: .seconds(77), why: "busy")])
        let (figures, sleeps) = await run(NumberSource(3), transport)
        #expect(transport.sent.count == 11 && Set(transport.sent) == [[1, 2, 3]])
        #expect(figures.retries == 10 && figures.sent == 3)
        let waits = sleeps.dropLast()
        for (index, wait) in waits.enumerated() {
            #expect(index == 9 ? wait >= .seconds(77) : wait <= min(.seconds(60), .seconds(1) * (1 << index)), "\(index): \(wait)")
        }
        // The process ends while it waits: the position has not moved.
        let dying = ScriptedTransport(Array(repeating: away, count: 3))
        let cut = await run(NumberSource(6), dying) { _ in true }
        #expect(cut.figures.sent == 0 && !cut.figures.isDelivering && cut.figures.waitingSince == Timestamp(seconds: 1))
        let after = ScriptedTransport()
        _ = await run(NumberSource(6), after)
        #expect(dying.sent == [[4, 5, 6]] && after.sent == [[4, 5, 6]])
    }

    @Test("partial success and refusal are counted and never sent again")
    func refusals() async {
        let transport = ScriptedTransport([
            .accepted(rejected: 3, said: "no room"), .refused("HTTP 400"), .accepted(rejected: 99, said: ""),
        ])
        let (figures, _) = await run(NumberSource(20), transport)
        #expect(transport.sent.flatMap { $0 } == (1...20).map { UInt8($0) })
        // 8 and 8 and 4 items; a collector cannot reject more than it was sent.
        #expect(figures.sent == 5 && figures.rejected == ["partial": 7, "refused": 8] && figures.retries == 0)
    }

    @Test("a collector that finds requests too large gets smaller ones, down to one item, and that one is given up")
    func sizes() async {
        let transport = ScriptedTransport(Array(repeating: .tooLarge("HTTP 413"), count: 4))
        let (figures, _) = await run(NumberSource(9), transport)
        #expect(transport.sent.prefix(4).map(\.count) == [8, 4, 2, 1])
        #expect(transport.sent.dropFirst(3).flatMap { $0 } == (1...9).map { UInt8($0) })
        #expect(figures.sent == 8 && figures.rejected == ["too_large": 1])
    }

    @Test("an item that is too large even for the smallest request goes alone, and takes no other along")
    func alone() async {
        // Two at a time at the smallest budget; whatever has the third in it is too large.
        let source = NumberSource(6, bytesEach: 8 << 10)
        let transport = ScriptedTransport { $0.contains(3) ? .tooLarge("HTTP 413") : .accepted(rejected: 0, said: "") }
        let (figures, _) = await run(source, transport)
        #expect(figures.sent == 5 && figures.rejected == ["too_large": 1])
        #expect(Set(transport.sent.filter { !$0.contains(3) }.flatMap { $0 }) == [1, 2, 4, 5, 6])
    }

    @Test("a sample that is too large is counted and not asked for in another size: it has only one")
    func largeSample() async {
        let transport = ScriptedTransport([.tooLarge("HTTP 413")])
        let (figures, _) = await run(SampleSource(), transport, pace: .sample(every: .seconds(60))) { $0 == .seconds(60) }
        #expect(figures.rejected == ["too_large": 5] && figures.sent == 0 && transport.sent.count == 1)
    }

    @Test("what retention took away before it was sent is counted once, with its reason")
    func losses() async {
        let transport = ScriptedTransport([.retry(after: nil, why: "busy"), .retry(after: nil, why: "busy")])
        let (figures, _) = await run(NumberSource(9, gone: 4), transport)
        #expect(transport.sent.last == [5, 6, 7, 8, 9] && figures.lost == ["retention": 4] && figures.sent == 5)
        let all = await run(NumberSource(30, gone: 30), transport)
        #expect(all.figures.lost == ["retention": 21] && all.figures.sent == 0)
    }

    @Test("metrics that could not be sent until the next are due are given up, and counted")
    func samples() async {
        let transport = ScriptedTransport(Array(repeating: .retry(after: .seconds(25), why: "busy"), count: 3))
        let (figures, sleeps) = await run(SampleSource(), transport, pace: .sample(every: .seconds(60))) { $0 == .seconds(60) }
        #expect(figures.lost == ["superseded": 5] && figures.sent == 0 && figures.retries == 2 && transport.sent.count == 3)
        #expect(sleeps.count == 3)
    }

    @Test("a source that fails is asked again later, and a damaged position begins anew")
    func troubles() async throws {
        struct Broken: ExportSource {
            func next(after position: String?, bytes: Int) async throws -> ExportPiece? { throw OTLPFault.transport("the disk is gone") }
        }
        let broken = await run(Broken(), ScriptedTransport())
        #expect(!broken.figures.isDelivering && broken.figures.lastProblem?.contains("the disk is gone") == true)
        try files.write(Array("\n7\n".utf8), to: "/positions/telemetry")
        let transport = ScriptedTransport()
        _ = await run(NumberSource(2), transport)
        #expect(transport.sent == [[1, 2]])
    }
}
