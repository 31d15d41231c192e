// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// What one VLAN is tried with, and what is made of the answers. Pure: it is told the time, and what came.
///
///      0 ms   three tagged questions, 60 ms apart         the same again at 350 ms while not all are answered, because the other end may only now
///     30 ms   two without a tag, 60 ms apart              have been told to answer, or be busy; and a third time at 650 ms
///
/// Frames count as lost when there is no round in which all came back: three frames tell whether a VLAN passes, and `PathMeter` how much is lost.
/// A node's answers name their question. A router's do not, so that it is asked without a tag only when 650 ms have shown that tagged
/// questions are not answered.
final class VLANMeter {
    struct Shot: Hashable {
        let sequence: UInt32
        let isTagged: Bool
    }

    private struct Planned {
        let shot: Shot
        let at: Duration
        let round: Int
    }

    private struct Answer {
        let peer: MACAddress
        let there: [Int]?
        let back: [Int]
        let took: Duration
    }

    let question: VLANQuestion
    let nonce: UInt64
    private let isRouter: Bool
    private let plan: [Planned]
    private var sentAt: [UInt32: Duration] = [:]
    private var answers: [UInt32: Answer] = [:]
    private var problem: String?

    private static let rounds: [Duration] = [.zero, .milliseconds(350), .milliseconds(650)]
    private static let gap = Duration.milliseconds(60)
    /// How long an answer may take.
    private static let window = Duration.milliseconds(250)

    init(_ question: VLANQuestion, nonce: UInt64) {
        self.question = question
        self.nonce = nonce
        isRouter = if case .router = question.target.end { true } else { false }
        var plan: [Planned] = []
        for (round, begin) in Self.rounds.enumerated() {
            let untaggedOnly = isRouter && round == Self.rounds.count - 1
            func add(_ isTagged: Bool, _ at: Duration) {
                plan.append(Planned(shot: Shot(sequence: UInt32(plan.count), isTagged: isTagged), at: begin + at, round: round))
            }
            if !untaggedOnly { for index in 0..<3 { add(true, Self.gap * index) } }
            if !isRouter || untaggedOnly { for index in 0..<2 { add(false, Self.gap * index + Self.gap / 2) } }
        }
        self.plan = plan.sorted { $0.at < $1.at }
    }

    func fail(_ problem: String) { self.problem = self.problem ?? problem }

    /// What is to be sent now.
    func due(at now: Duration) -> [Shot] {
        guard problem == nil else { return [] }
        let last = completeRound ?? Self.rounds.count
        // A router that answered some tagged questions needs no plain one.
        let isPlainRoundDue = !isRouter || !plan.contains { $0.shot.isTagged && answers[$0.shot.sequence] != nil }
        let due = plan.filter {
            $0.at <= now && sentAt[$0.shot.sequence] == nil && $0.round <= last && ($0.shot.isTagged || isPlainRoundDue)
        }
        for item in due { sentAt[item.shot.sequence] = now }
        return due.map(\.shot)
    }

    func isDone(at now: Duration) -> Bool {
        if problem != nil || (isRouter && plan.contains { !$0.shot.isTagged && answers[$0.shot.sequence] != nil }) { return true }
        guard let round = completeRound else { return now >= VLANSurvey.patience }
        let planned = plan.filter { $0.round == round }
        return planned.allSatisfy { isSettled($0, at: now) }
    }

    /// Answered, or waited for long enough. On a busy machine a question leaves late, and has not had its time when everything ends.
    private func isSettled(_ item: Planned, at now: Duration) -> Bool {
        answers[item.shot.sequence] != nil || sentAt[item.shot.sequence].map { now - $0 >= Self.window } ?? false
    }

    func wake(after now: Duration) -> Duration {
        let next = plan.lazy.filter { self.sentAt[$0.shot.sequence] == nil && $0.at > now }.map(\.at).first
        let ends = completeRound.map { round in
            plan.filter { $0.round == round && !isSettled($0, at: now) }.compactMap { sentAt[$0.shot.sequence].map { $0 + Self.window } }
        }
        let end = ends?.max() ?? VLANSurvey.patience
        return min(next ?? end, end)
    }

    /// A frame that came, whoever it was for. `own`: the link's address, which answers go to.
    func take(_ frame: EthernetFrame, _ packet: ARPPacket, own: MACAddress, at now: Duration) {
        guard packet.operation == .reply, frame.destination == own else { return }
        switch question.target.end {
        case .node:
            guard let answer = TagProbe(packet.trailer), answer.kind == .answer, answer.nonce == nonce, answer.vlan == question.target.vlan,
                let sent = sentAt[answer.sequence], answers[answer.sequence] == nil
            else { return }
            answers[answer.sequence] = Answer(peer: frame.source, there: answer.seen, back: frame.tags, took: now - sent)
        case .router(let address):
            // It answers in order; which question it meant shows only in what had been sent by then.
            guard packet.senderAddress == address,
                let open = plan.first(where: {
                    sentAt[$0.shot.sequence] != nil && answers[$0.shot.sequence] == nil && $0.round == lastRound
                })
            else { return }
            answers[open.shot.sequence] = Answer(
                peer: frame.source, there: nil, back: frame.tags, took: now - (sentAt[open.shot.sequence] ?? now))
        }
    }

    private var lastRound: Int? { plan.last { sentAt[$0.shot.sequence] != nil }?.round }

    /// The first round in which every tagged question was answered.
    private var completeRound: Int? {
        Self.rounds.indices.first { round in
            let tagged = plan.filter { $0.shot.isTagged && $0.round == round }
            return !tagged.isEmpty && tagged.allSatisfy { answers[$0.shot.sequence] != nil }
        }
    }

    /// The round that speaks for the VLAN: a complete one, else the first of those in which most questions were answered; `nil` when none was.
    private var tellingRound: Int? {
        func answered(_ round: Int) -> Int { plan.count { $0.shot.isTagged && $0.round == round && answers[$0.shot.sequence] != nil } }
        return completeRound ?? Self.rounds.indices.filter { answered($0) > 0 }.max { answered($0) < answered($1) }
    }

    /// What it comes to at the end.
    func fact(at now: Duration) -> VLANFact {
        var fact = VLANFact(target: question.target, link: question.link, isTrunk: question.isTrunk, problem: problem)
        let round = tellingRound
        let tagged = plan.filter { $0.shot.isTagged && isSettled($0, at: now) && (round == nil || $0.round == round) }
        let got = tagged.compactMap { answers[$0.shot.sequence] }
        (fact.sent, fact.answered) = (tagged.count, got.count)
        // Of several that differ, the one that fits least is told: it is what is wrong.
        let odd = got.first { $0.back != [question.target.vlan] || ($0.there ?? $0.back) != $0.back } ?? got.first
        let untagged = plan.filter { !$0.shot.isTagged }.compactMap { answers[$0.shot.sequence] }
        (fact.there, fact.back, fact.peer) = (odd?.there, odd?.back, (odd ?? untagged.first)?.peer)
        fact.untagged = untagged.first.map { $0.there ?? $0.back }
        fact.roundTrip = (got.isEmpty ? untagged : got).map(\.took.inMicroseconds).min().map { Int(clamping: $0) }
        return fact
    }
}
