// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Synchronization

/// How fast the nodes' clocks run, from exchanges that follow each other: one exchange tells how far a clock is off, two tell where it goes.
final class DriftBook: Sendable {
    /// Exchanges that are kept of one node; of more, every second one is dropped, so that the first ones stay.
    static let mostSamples = 64
    static let mostNodes = 4096
    /// Below that, the doubt of each exchange is larger than any drift.
    static let shortest = Duration.seconds(30)
    /// What a clock does not gain or lose by running badly: somebody set it.
    private static let step: Int64 = 500
    /// Milliseconds. An answer that was so long on its way tells nothing.
    private static let mostDoubt: Int64 = 250

    private struct Sample {
        var at: Int64
        var ahead: Int64
        var doubt: Int64
    }

    private struct Page {
        var boot: BootID
        var samples: [Sample] = []
    }

    private let pages = Mutex<[NodeID: Page]>([:])

    /// The report with the node's drift in its clock fact, where enough is known.
    func noted(_ report: TaskReport, receivedAt: Moment) -> TaskReport {
        guard report.probe == .clock, case .facts(let facts) = report.result else { return report }
        var report = report
        report.result = .facts(
            facts.map { fact in
                guard case .clock(var clock) = fact, let offset = clock.offset else { return fact }
                clock.drift = pages.withLock { pages in
                    take(
                        Sample(at: receivedAt.boot, ahead: offset.ahead.inMilliseconds, doubt: offset.uncertainty.inMilliseconds),
                        of: report.node, boot: report.bootID, &pages)
                    return drift(of: report.node, pages)
                }
                return .clock(clock)
            })
        return report
    }

    private func take(_ sample: Sample, of node: NodeID, boot: BootID, _ pages: inout [NodeID: Page]) {
        guard sample.doubt <= Self.mostDoubt, pages[node] != nil || pages.count < Self.mostNodes else { return }
        var page = pages[node] ?? Page(boot: boot)
        let last = page.samples.last
        let wasSet = last.map { abs($0.ahead - sample.ahead) > Self.step + $0.doubt + sample.doubt } ?? false
        // A report that comes late again belongs to no row.
        if let last, sample.at <= last.at, page.boot == boot { return }
        if page.boot != boot || wasSet { page = Page(boot: boot) }
        if page.samples.count >= Self.mostSamples {
            page.samples = page.samples.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element)
        }
        page.samples.append(sample)
        pages[node] = page
    }

    private func drift(of node: NodeID, _ pages: [NodeID: Page]) -> ClockFact.Drift? {
        guard var drift = pages[node].flatMap(Self.slope) else { return nil }
        let all = pages.values.compactMap { Self.slope($0)?.ppm }.sorted()
        // Of two, neither is the middle.
        if all.count >= 3 { drift.fromMedian = drift.ppm - all[all.count / 2] }
        return drift
    }

    /// Between the surest exchange of the first third and that of the last. Times are known to the millisecond.
    private static func slope(_ page: Page) -> ClockFact.Drift? {
        let third = max(1, page.samples.count / 3)
        guard page.samples.count >= 2, let from = page.samples.prefix(third).min(by: { $0.doubt < $1.doubt }),
            let to = page.samples.suffix(third).reversed().min(by: { $0.doubt < $1.doubt })
        else { return nil }
        let span = to.at - from.at
        guard Duration.milliseconds(span) >= shortest else { return nil }
        func perMillion(_ milliseconds: Int64) -> Int { Int((Double(milliseconds) / Double(span) * 1e6).rounded()) }
        return ClockFact.Drift(
            ppm: perMillion(to.ahead - from.ahead), doubt: max(1, perMillion(from.doubt + to.doubt + 1)),
            over: TimeSpan(.milliseconds(span)))
    }
}
