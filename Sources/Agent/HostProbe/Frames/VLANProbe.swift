// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// The side of the process that sees the host's links and sends no frames: it finds the link of each target, and asks the prober.
package struct VLANProbe: Sendable {
    private let host: HostProber
    private let prober: ProberClient

    package init(_ host: HostProber, _ prober: ProberClient) {
        self.host = host
        self.prober = prober
    }

    /// One fact for each target, in their order, or why there is none.
    package func answer(_ targets: [VLANTarget], tokens: [VLANTarget: Digest]) async -> [Fact] {
        let links = await self.links()
        guard !links.isEmpty else { return [.unavailable("cannot try VLANs: the links of this host could not be listed")] }
        var facts: [VLANTarget: VLANFact] = [:]
        var questions: [VLANQuestion] = []
        for target in targets where facts[target] == nil {
            switch target.port.resolved(for: target.vlan, among: links) {
            case .exempt(let why): facts[target] = VLANFact(target: target, exempt: why)
            case .missing(let why): facts[target] = VLANFact(target: target, problem: why)
            case .link(let link, let isTrunk):
                var question = VLANQuestion(target: target, link: link, isTrunk: isTrunk, token: tokens[target])
                if case .router(let address) = target.end {
                    question.own = TrunkPort.own(for: address, vlan: target.vlan, on: link, among: links)
                } else if question.token == nil {
                    facts[target] = VLANFact(target: target, link: link, isTrunk: isTrunk, problem: "the other end was not told to answer")
                    continue
                }
                questions.append(question)
            }
        }
        if !questions.isEmpty {
            do {
                for fact in try await prober.ask(questions) { facts[fact.target] = fact }
            } catch {
                return [.unavailable("cannot send tagged frames: \(error); start meshgate-prober on this host")]
            }
        }
        return targets.compactMap { facts[$0].map(Fact.vlan) }
    }

    /// Makes the prober answer on the window's port. A port that no tagged frame comes by has nobody to answer.
    package func listen(_ window: FrameWindow) async throws {
        switch window.port.resolved(for: window.vlan, among: await links()) {
        case .exempt: return
        case .missing(let why): throw HostProbeError.noPort(window.port.description, why)
        case .link(let link, _):
            try await prober.listen(FrameListen(token: window.token, link: link, vlan: window.vlan, lasts: window.lasts))
        }
    }

    private func links() async -> [LinkFact] {
        await host.answer(.links).compactMap { if case .link(let link) = $0 { link } else { nil } }
    }
}
