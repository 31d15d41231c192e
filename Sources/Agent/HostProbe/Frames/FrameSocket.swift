// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel

/// Whole frames on one link, by AF_PACKET. Needs CAP_NET_RAW.
final class FrameSocket {
    let descriptor: Int32
    let mac: MACAddress
    private var buffer = [UInt8](repeating: 0, count: 512)

    init(link: String) throws(HostProbeError) {
        var octets = [UInt8](repeating: 0, count: 6)
        let opened = meshgate_frames_open(link, &octets)
        guard opened >= 0 else { throw .frames(link: link, errno: -opened) }
        guard let mac = MACAddress(bytes: octets) else {
            close(opened)
            throw .frames(link: link, errno: ENOTSUP)
        }
        (descriptor, self.mac) = (opened, mac)
    }

    deinit { close(descriptor) }

    /// The error number, or 0.
    func send(_ frame: EthernetFrame) -> Int32 {
        let bytes = frame.bytes
        let sent = meshgate_frames_send(descriptor, bytes, bytes.count)
        return sent < 0 ? Int32(-sent) : 0
    }

    /// The next ARP packet of another machine, with its frame. `nil` when none is there; what is no ARP packet is passed over.
    func receive() -> (frame: EthernetFrame, packet: ARPPacket)? {
        // Bounded: whoever floods the link must not keep us here.
        for _ in 0..<256 {
            var tag: Int64 = -1
            let got = meshgate_frames_receive(descriptor, &buffer, buffer.count, &tag)
            guard got >= 0 else { return nil }
            guard
                let frame = EthernetFrame(buffer[..<Int(got)], taken: tag < 0 ? nil : UInt16(truncatingIfNeeded: tag)),
                frame.type == EthernetFrame.arp, frame.source != mac, frame.source.isOne, let packet = ARPPacket(frame.payload)
            else { continue }
            return (frame, packet)
        }
        return nil
    }
}
