// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// What a switch's port makes of frames with wrong tags. The kernel's bridge cannot, and rules of nftables can take no tag on.
struct LabTagging: Hashable {
    /// The VLAN that is changed.
    let vlan: Int
    /// The tag that is put in front of the VLAN's. Absent: the VLAN's own tag is put on what has none.
    let outer: Int?

    private static let tagType: UInt16 = 0x8100

    /// The frame that leaves for one that came in; `nil` for one that this port does not change. `taken`: type and control information of a tag
    /// that the kernel took off (PACKET_AUXDATA), or -1.
    func changed(_ frame: ArraySlice<UInt8>, taken: Int64) -> [UInt8]? {
        guard frame.count >= 14 else { return nil }
        let addresses = frame.prefix(12)
        let rest = frame.dropFirst(12)
        let own = taken < 0 ? Self.tag(at: rest) : Int(taken & 0xfff)
        switch (outer, own) {
        case (let outer?, vlan?):
            let inner = taken < 0 ? [] : Self.octets(vlan)
            return addresses + Self.octets(outer) + inner + rest
        case (nil, nil): return addresses + Self.octets(vlan) + rest
        default: return nil
        }
    }

    private static func tag(at rest: ArraySlice<UInt8>) -> Int? {
        let bytes = Array(rest.prefix(4))
        guard bytes.count == 4, UInt16(bytes[0]) << 8 | UInt16(bytes[1]) == tagType else { return nil }
        return (Int(bytes[2]) << 8 | Int(bytes[3])) & 0xfff
    }

    private static func octets(_ vlan: Int) -> [UInt8] {
        [UInt8(tagType >> 8), UInt8(tagType & 0xff), UInt8(vlan >> 8 & 0xf), UInt8(vlan & 0xff)]
    }
}

/// A switch's port that changes the tags of ARP frames: it takes what comes from one link and sends what it makes of it out of the others. What
/// the bridge would send on as it is has to be dropped there, by `LabVLANFault.rules`.
enum LabTagPort {
    /// The hidden command `meshgate lab tag-port --from LINK --to LINK,LINK --vlan ID [--outer ID]`; started by a story only, and ended with it.
    static func run(_ arguments: [String]) throws -> Never {
        let options = try LabOptions(arguments, known: ["--from", "--to", "--vlan", "--outer"])
        guard let vlan = Int(try options.value("--vlan")), (1...4094).contains(vlan) else { throw LabError.usage("--vlan is 1 to 4094") }
        let outer = try options.optional("--outer").map { text in
            guard let id = Int(text), (1...4094).contains(id) else { throw LabError.usage("--outer is 1 to 4094") }
            return id
        }
        let from = try open(try options.value("--from"))
        let others = try options.value("--to").split(separator: ",").map { try open(String($0)) }
        serve(LabTagging(vlan: vlan, outer: outer), from: from, to: others)
    }

    static func arguments(_ tagging: LabTagging, from port: String, to others: [String]) -> [String] {
        ["lab", "tag-port", "--from", port, "--to", others.joined(separator: ","), "--vlan", "\(tagging.vlan)"]
            + (tagging.outer.map { ["--outer", "\($0)"] } ?? [])
    }

    private static func open(_ link: String) throws -> Int32 {
        var mac = [UInt8](repeating: 0, count: 6)
        let descriptor = meshgate_frames_open(link, &mac)
        guard descriptor >= 0 else { throw LabError.system(doing: "take frames", on: link, errno: -descriptor) }
        return descriptor
    }

    private static func serve(_ tagging: LabTagging, from: Int32, to others: [Int32]) -> Never {
        var frame = [UInt8](repeating: 0, count: 2048)
        while true {
            var waiting = pollfd(fd: from, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, -1) > 0 else { continue }
            // A link that is gone ends the lab, and us with it.
            if waiting.revents & Int16(POLLERR | POLLHUP | POLLNVAL) != 0 { exit(1) }
            var taken: Int64 = -1
            let got = meshgate_frames_receive(from, &frame, frame.count, &taken)
            guard got > 0, let changed = tagging.changed(frame[..<Int(got)], taken: taken) else { continue }
            // What a port cannot take now is lost, as on a wire.
            for other in others { _ = meshgate_frames_send(other, changed, changed.count) }
        }
    }
}
