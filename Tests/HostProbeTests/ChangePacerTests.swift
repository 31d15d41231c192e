// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HostProbe

@Suite struct ChangePacerTests {
    @Test("the first change is looked at as soon as it has settled, and what comes meanwhile does not put it off") func first() {
        var pacer = ChangePacer()
        #expect(pacer.nextLook == nil)
        pacer.noticed(at: 1000)
        pacer.noticed(at: 1019)
        #expect(pacer.nextLook == 1020)
        pacer.looked(at: 1021, told: true)
        #expect(pacer.nextLook == nil)
    }

    /// Plays a link that changes every `every` milliseconds for `span`, and returns when it was looked at and told.
    private func play(every: Int64, span: Int64, tells: Bool) -> (pacer: ChangePacer, looks: [Int64]) {
        var pacer = ChangePacer()
        var looks: [Int64] = []
        for now in stride(from: Int64(0), to: span, by: Int(every)) {
            pacer.noticed(at: now)
            guard let due = pacer.nextLook, due <= now else { continue }
            pacer.looked(at: now, told: tells)
            looks.append(now)
        }
        return (pacer, looks)
    }

    @Test("a link that flaps for an hour is told six times at once and then every ten seconds; its last state is told, too") func flapping()
    {
        let (pacer, looks) = play(every: 50, span: 3_600_000, tells: true)
        #expect(looks.filter { $0 < 2000 }.count >= 5)
        #expect((360...367).contains(looks.count), "\(looks.count)")
        guard let last = looks.last, let next = pacer.nextLook else { return #expect(Bool(false), "the end would never be told") }
        #expect(next - last <= 10_000)
    }

    @Test("changes that say nothing new cost at most a look a second") func churn() {
        let (_, looks) = play(every: 10, span: 60_000, tells: false)
        #expect((60...68).contains(looks.count), "\(looks.count)")
    }

    @Test("after a calm time there is room again") func calm() {
        var (pacer, looks) = play(every: 50, span: 60_000, tells: true)
        let later = (looks.last ?? 0) + 100_000
        pacer.looked(at: later - 1, told: false)
        pacer.noticed(at: later)
        #expect(pacer.nextLook == later + ChangePacer.settling)
    }
}
