// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import MeshModel

/// The kinds of certificate an authority issues. Nothing of a profile comes from the request: name, usage and extensions are composed here.
package enum CertificateProfile: Hashable, Sendable {
    case agent(mesh: String, NodeID)
    case coordinator(mesh: String, dnsNames: [String], addresses: [IPAddress])
    case `operator`(mesh: String, OperatorName, OperatorRole)

    /// The mesh it is issued in.
    package var mesh: String {
        switch self {
        case .agent(let mesh, _), .coordinator(let mesh, _, _), .operator(let mesh, _, _): mesh
        }
    }

    /// Whom it will name.
    package var name: PeerName {
        switch self {
        case .agent(_, let node): .agent(node)
        case .coordinator: .coordinator
        case .operator(_, let name, let role): .operator(name, role)
        }
    }

    var commonName: String {
        switch self {
        case .agent(_, let node): node.text
        case .coordinator: "meshgate coordinator"
        case .operator(_, let name, _): name.text
        }
    }

    var extensions: [CertificateExtension] {
        get throws(TrustError) {
            [.leafConstraints, .leafUsage, .purpose(of: name.kind), try .names(subjectNames)]
        }
    }

    private var subjectNames: [[UInt8]] {
        get throws(TrustError) {
            guard isMeshName(mesh) else { throw .cannotIssue(name.description, problem: "\"\(mesh)\" is not the name of a mesh") }
            let uri = DER.value(0x86, Array(name.uri(mesh: mesh).utf8))
            guard case .coordinator(_, let dnsNames, let addresses) = self else { return [uri] }
            for dnsName in dnsNames where !Self.isHostName(dnsName) {
                throw .cannotIssue(name.description, problem: "\"\(dnsName)\" is not a host name")
            }
            return [uri] + dnsNames.map { DER.value(0x82, Array($0.utf8)) } + addresses.map { DER.value(0x87, $0.networkBytes) }
        }
    }

    private static func isHostName(_ text: String) -> Bool {
        text.utf8.count <= 253 && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { NodeID(String($0)) != nil }
    }
}

/// One extension with its value in DER.
struct CertificateExtension {
    let nid: Int32
    let critical: Bool
    let value: [UInt8]

    static let leafConstraints = Self(nid: NID_basic_constraints, critical: true, value: DER.sequence())
    /// digitalSignature only: TLS 1.3 needs no more.
    static let leafUsage = Self(nid: NID_key_usage, critical: true, value: DER.bits([0x80], unused: 7))
    /// An authority that issues leaves only.
    static let rootConstraints = Self(
        nid: NID_basic_constraints, critical: true, value: DER.sequence(DER.value(0x01, [0xff]), DER.integer([0])))
    /// keyCertSign and cRLSign.
    static let rootUsage = Self(nid: NID_key_usage, critical: true, value: DER.bits([0x06], unused: 1))

    /// serverAuth for the coordinator, clientAuth for all who dial it; never both.
    static func purpose(of kind: PeerKind) -> Self {
        let last: UInt8 = kind == .coordinator ? 1 : 2
        return Self(
            nid: NID_ext_key_usage, critical: true,
            value: DER.sequence(DER.value(0x06, [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, last])))
    }

    static func names(_ names: [[UInt8]]) -> Self {
        Self(nid: NID_subject_alt_name, critical: false, value: DER.sequence(names.flatMap { $0 }))
    }

    /// RFC 7093 method 1: the leftmost 160 bits of the key's SHA-256.
    static func keyIdentifier(of key: PublicKey) -> [UInt8] { Array(Digest.sha256(key.spki.suffix(65)).bytes.prefix(20)) }

    static func subjectKey(_ identifier: [UInt8]) -> Self {
        Self(nid: NID_subject_key_identifier, critical: false, value: DER.octets(identifier))
    }

    static func authorityKey(_ identifier: [UInt8]) -> Self {
        Self(nid: NID_authority_key_identifier, critical: false, value: DER.sequence(DER.value(0x80, identifier)))
    }
}

extension IPAddress {
    fileprivate var networkBytes: [UInt8] {
        stride(from: bits - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> UInt128($0)) }
    }
}
