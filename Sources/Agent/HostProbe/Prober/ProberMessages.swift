// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What the agent's network process may ask the prober. It can ask for nothing else.
package enum ProberRequest: Hashable, Sendable, Codable {
    case paths([PathTarget], tokens: [NodeID: Digest])
    case listen(EchoWindow)
    case vlans([VLANQuestion])
    case listenFrames(FrameListen)
    case outside([OutsideTarget])
    case serviceChains
    case status
}

/// What the prober answers, once for each request.
package enum ProberResponse: Hashable, Sendable, Codable {
    case facts([Fact])
    case serviceChains([String])
    /// It answers frames now.
    case listeningFrames
    /// It answers datagrams on this port now.
    case listening(port: UInt16)
    case status(ProberStatus)
    /// The request could not be answered; the text says why.
    case failed(String)
}

/// What the prober is able to do.
package struct ProberStatus: Hashable, Sendable, Codable {
    /// Whether it may send and receive raw packets and frames.
    package var sendsRaw: Bool
    package var version: String
    package init(sendsRaw: Bool, version: String) {
        self.sendsRaw = sendsRaw
        self.version = version
    }
}
