// SPDX-License-Identifier: Apache-2.0

import MeshModel

extension BPFProgram {
    /// A host with Cilium has some hundred programs.
    static let most = 4096
    /// Of one program.
    private static let mostPlaces = 256
    private static let longestName = 128

    init(_ wire: WireBPFProgram, _ place: String) throws(WireError) {
        self.init(
            id: Int(wire.id), kind: try WireField.text(wire.kind, place + ".kind", limit: Self.longestName),
            name: try WireField.text(wire.name, place + ".name", limit: Self.longestName),
            tag: try WireField.text(wire.tag, place + ".tag", limit: Self.longestName),
            attachments: try WireField.list(wire.attachments, place + ".attachments", limit: Self.mostPlaces) {
                (item, place) throws(WireError) in
                Attachment(
                    kind: try WireField.text(item.kind, place + ".kind", limit: Self.longestName),
                    place: item.hasPlace ? try WireField.text(item.place, place + ".place", limit: Self.longestName) : nil,
                    isLink: item.isLink)
            },
            owners: try WireField.list(wire.owners, place + ".owners", limit: Self.mostPlaces) { (item, place) throws(WireError) in
                Owner(pid: Int(item.pid), command: try WireField.text(item.command, place + ".command", limit: Self.longestName))
            }, runs: wire.hasRuns ? wire.runs : nil, runTimeInNanoseconds: wire.hasRunTimeNs ? wire.runTimeNs : nil)
    }

    var wire: WireBPFProgram {
        var wire = WireBPFProgram()
        wire.id = UInt32(clamping: id)
        wire.kind = kind
        wire.name = name
        wire.tag = tag
        wire.attachments = attachments.prefix(Self.mostPlaces).map { item in
            var wire = WireBPFAttachment()
            wire.kind = item.kind
            if let place = item.place { wire.place = place.shortened(to: Self.longestName) }
            wire.isLink = item.isLink
            return wire
        }
        wire.owners = owners.prefix(Self.mostPlaces).map { item in
            var wire = WireBPFOwner()
            wire.pid = UInt32(clamping: item.pid)
            wire.command = item.command.shortened(to: Self.longestName)
            return wire
        }
        if let runs { wire.runs = runs }
        if let runTimeInNanoseconds { wire.runTimeNs = runTimeInNanoseconds }
        return wire
    }
}
