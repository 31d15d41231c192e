// SPDX-License-Identifier: Apache-2.0

import MeshModel

extension BPFProgram {
    /// A host with Cilium has some hundred programs.
    static let most = 4096
    /// Of one program.
    private static let mostPlaces = 256
    private static let mostMaps = 256
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
            }, runs: wire.hasRuns ? wire.runs : nil, runTimeInNanoseconds: wire.hasRunTimeNs ? wire.runTimeNs : nil,
            user: wire.hasUser ? wire.user : nil, memoryInBytes: wire.hasMemoryInBytes ? wire.memoryInBytes : nil,
            maps: wire.hasMaps ? try Self.numbers(wire.maps, place + ".maps") : nil)
    }

    private static func numbers(_ list: WireNumberList, _ place: String) throws(WireError) -> [Int] {
        guard list.numbers.count <= mostMaps else { throw .badField(place: place, problem: "more than \(mostMaps) maps") }
        return list.numbers.map { Int($0) }
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
        if let user { wire.user = user }
        if let memoryInBytes { wire.memoryInBytes = memoryInBytes }
        if let maps { wire.maps.numbers = maps.prefix(Self.mostMaps).map { UInt32(clamping: $0) } }
        return wire
    }
}
