// SPDX-License-Identifier: Apache-2.0

import Glibc
package import MeshModel
import MeshSystem

/// One VLAN to try, with all that the prober needs to know: it cannot see the host's links.
package struct VLANQuestion: Hashable, Sendable, Codable {
    package var target: VLANTarget
    package var link: String
    package var isTrunk: Bool
    /// The host's own address in the VLAN, where it has one.
    package var own: IPAddress?
    /// Of a node's window.
    package var token: Digest?
    package init(target: VLANTarget, link: String, isTrunk: Bool, own: IPAddress? = nil, token: Digest? = nil) {
        self.target = target
        self.link = link
        self.isTrunk = isTrunk
        self.own = own
        self.token = token
    }
}

/// Where the prober is to answer frames, and whom.
package struct FrameListen: Hashable, Sendable, Codable {
    package var token: Digest
    package var link: String
    package var vlan: Int
    package var lasts: TimeSpan
    package init(token: Digest, link: String, vlan: Int, lasts: TimeSpan) {
        self.token = token
        self.link = link
        self.vlan = vlan
        self.lasts = lasts
    }
}

/// Tries many VLANs at once with ARP requests: tagged ones, and some without a tag, which tell what became of the tagged ones.
struct VLANSurvey {
    static let targetLimit = 32
    /// Whatever happens, it is over then.
    static let patience = Duration.milliseconds(950)

    let questions: [VLANQuestion]
    let entropy: any Entropy

    /// One fact for each question, in their order; on the calling thread and in its network namespace.
    func run() throws -> [VLANFact] {
        guard questions.count <= Self.targetLimit else { throw HostProbeError.tooManyTargets(questions.count, limit: Self.targetLimit) }
        var sockets: [String: Result<FrameSocket, HostProbeError>] = [:]
        for link in Set(questions.map(\.link)) {
            sockets[link] = Result { () throws(HostProbeError) in try FrameSocket(link: link) }
        }
        let nonce = try entropy.bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let meters = questions.enumerated().map { index, question in
            // Consecutive nonces from a random beginning: each answer finds its question.
            VLANMeter(question, nonce: nonce &+ UInt64(index))
        }
        let ended = drive(meters, sockets.compactMapValues { try? $0.get() })
        return zip(questions, meters).map { question, meter in
            var fact = meter.fact(at: ended)
            if case .failure(let error)? = sockets[question.link] { fact.problem = "\(error)" }
            return fact
        }
    }

    /// Until all is known, or patience ends; when that was.
    private func drive(_ meters: [VLANMeter], _ sockets: [String: FrameSocket]) -> Duration {
        let open = meters.filter { sockets[$0.question.link] != nil }
        let clock = ContinuousClock()
        let began = clock.now
        while true {
            let now = clock.now - began
            for (link, socket) in sockets {
                let own = open.filter { $0.question.link == link }
                while let (frame, packet) = socket.receive() {
                    for meter in own { meter.take(frame, packet, own: socket.mac, at: now) }
                }
                for meter in own {
                    for shot in meter.due(at: now) {
                        let number = socket.send(shot.frame(from: socket.mac, meter))
                        if number != 0, number != EAGAIN, number != ENOBUFS { meter.fail("cannot send on \(link): \(words(number))") }
                    }
                }
            }
            guard !open.allSatisfy({ $0.isDone(at: now) }), now < Self.patience else { return now }
            let wake = open.filter { !$0.isDone(at: now) }.map { $0.wake(after: now) }.min() ?? now
            var waiting = sockets.values.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            // Rounded up: a wait that ends too early would only go round once more.
            _ = poll(&waiting, nfds_t(waiting.count), Int32(max(0, min((wake - now).inMicroseconds + 999, 100_000) / 1000)))
        }
    }
}

extension VLANMeter.Shot {
    /// To all, because who is to answer is not known yet; a plain ARP Probe to everybody else, who learn nothing from it (RFC 5227).
    fileprivate func frame(from mac: MACAddress, _ meter: VLANMeter) -> EthernetFrame {
        let question = meter.question
        let tags = isTagged ? [question.target.vlan] : []
        let packet: ARPPacket
        switch question.target.end {
        case .router(let address):
            packet = ARPPacket(
                operation: .request, sender: mac, senderAddress: question.own ?? ARPPacket.nobody, target: .zero, targetAddress: address)
        case .node:
            let probe = TagProbe(
                kind: isTagged ? .tagged : .untagged, vlan: question.target.vlan, nonce: meter.nonce, sequence: sequence,
                token: question.token?.bytes ?? [])
            packet = ARPPacket(
                operation: .request, sender: mac, senderAddress: ARPPacket.nobody, target: .zero, targetAddress: ARPPacket.dummy,
                trailer: probe.bytes)
        }
        return EthernetFrame(destination: .broadcast, source: mac, tags: tags, type: EthernetFrame.arp, payload: packet.bytes)
    }
}
