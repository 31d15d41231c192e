// SPDX-License-Identifier: Apache-2.0

/// What a person permits when a wiper has lost its record of spent warrants: to begin a new one, on one host, under the id that this wiper
/// named. Signed like a warrant, in the same namespace; the first line keeps the two apart.
///
/// Strict and canonical, as `WarrantTerms` is: exactly one text for given terms.
package struct ArmingTerms: Hashable, Sendable {
    package var mesh: String
    package var node: NodeID
    /// SHA-256 of the agent key's SubjectPublicKeyInfo.
    package var nodeKey: Digest
    package var boot: BootID
    /// The new store's id, from the wiper's own challenge.
    package var store: ReplayStoreID
    package var notBefore: Timestamp
    package var notAfter: Timestamp

    package init(
        mesh: String, node: NodeID, nodeKey: Digest, boot: BootID, store: ReplayStoreID, notBefore: Timestamp, notAfter: Timestamp
    ) {
        self.mesh = mesh
        self.node = node
        self.nodeKey = nodeKey
        self.boot = boot
        self.store = store
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    package static let magic = "MESHGATE-WIPER-ARMING/1"

    /// The canonical text that is signed.
    package var text: String {
        let fields = [
            ("mesh", mesh), ("node", node.text), ("node-key", nodeKey.hex), ("boot", boot.text), ("store", store.text),
        ]
        return SignedText.write(Self.magic, fields, from: notBefore, until: notAfter)
    }

    package init(parsing text: String) throws(WarrantTerms.Malformed) {
        var reader = try SignedTextReader(text, magic: Self.magic)
        mesh = try reader.next("mesh") { isLabel($0) ? $0 : nil }
        node = try reader.next("node", NodeID.init)
        nodeKey = try reader.next("node-key") { Digest(hex: $0) }
        boot = try reader.next("boot", BootID.init)
        store = try reader.next("store", ReplayStoreID.init)
        (notBefore, notAfter) = try reader.validity()
        try SignedTextReader.confirm(text, is: self.text)
    }
}
