// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Synchronization

/// Answers other nodes' tagged frames while windows are open: one socket and one thread for each link, which end with the last window. Nobody
/// is answered without a token of an open window for just that VLAN, nor with more bytes than came, nor more often than `mostAnswers`.
final class FrameHouse: Sendable {
    typealias Log = @Sendable (_ event: String, _ details: [String: String]) -> Void

    static let mostRooms = 8
    static let mostTokens = 64
    /// In a tenth of a second, on one link.
    static let mostAnswers = 200

    private struct Window {
        var vlan: Int
        var until: ContinuousClock.Instant
    }

    private let rooms = Mutex<[String: [Digest: Window]]>([:])
    private let stopped = Atomic<Bool>(false)
    private let log: Log

    init(log: @escaping Log = { _, _ in }) { self.log = log }

    /// Ends every room within a quarter of a second.
    func stop() { stopped.store(true, ordering: .relaxed) }

    /// Answers on `link` from now on, until the window's time is over.
    func open(_ listen: FrameListen) throws {
        let window = Window(
            vlan: listen.vlan, until: ContinuousClock.now + min(max(listen.lasts.duration, .zero), EchoWindow.longest.duration))
        try rooms.withLock { rooms in
            if let tokens = rooms[listen.link] {
                guard tokens.count < Self.mostTokens || tokens[listen.token] != nil else {
                    throw HostProbeError.tooManyTargets(Self.mostTokens + 1, limit: Self.mostTokens)
                }
                rooms[listen.link]?[listen.token] = window
                return
            }
            guard rooms.count < Self.mostRooms else { throw HostProbeError.tooManyTargets(rooms.count + 1, limit: Self.mostRooms) }
            let room = Room(try FrameSocket(link: listen.link))
            try OwnThread.start(named: "frames") { self.serve(room, listen.link) }
            rooms[listen.link] = [listen.token: window]
        }
    }

    /// Handed to its thread, and used there alone.
    private final class Room: @unchecked Sendable {
        let socket: FrameSocket
        init(_ socket: FrameSocket) { self.socket = socket }
    }

    private func serve(_ room: Room, _ link: String) {
        let socket = room.socket
        var answers = 0
        var dropped = 0
        var tenth = ContinuousClock.now
        while !stopped.load(ordering: .relaxed), let windows = openWindows(link) {
            var waiting = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 250) > 0 else { continue }
            let now = ContinuousClock.now
            if now - tenth > .milliseconds(100) { (tenth, answers) = (now, 0) }
            // As long as there are some, but not without looking at the windows now and then.
            for _ in 0..<64 {
                guard let (frame, packet) = socket.receive() else { break }
                guard let answer = Self.answer(frame, packet, own: socket.mac, windows.mapValues(\.vlan)) else { continue }
                guard answers < Self.mostAnswers else {
                    dropped += 1
                    continue
                }
                answers += 1
                // A link that takes no frame now loses it like any other: the asking side sees it.
                _ = socket.send(answer)
            }
        }
        if dropped > 0 { log("frames dropped", ["link": link, "count": "\(dropped)"]) }
    }

    /// The answer to a frame, when one is due. Pure: what a stranger may send is tried in tests.
    static func answer(_ frame: EthernetFrame, _ packet: ARPPacket, own: MACAddress, _ windows: [Digest: Int]) -> EthernetFrame? {
        guard packet.operation == .request, let question = TagProbe(packet.trailer), question.kind != .answer,
            windows.contains(where: { $0.value == question.vlan && isSame($0.key.bytes, question.token) })
        else { return nil }
        let reply = ARPPacket(
            operation: .reply, sender: own, senderAddress: ARPPacket.nobody, target: frame.source, targetAddress: ARPPacket.dummy,
            trailer: question.answer(seen: frame.tags).bytes)
        return EthernetFrame(
            destination: frame.source, source: own, tags: question.kind == .tagged ? [question.vlan] : [], type: EthernetFrame.arp,
            payload: reply.bytes)
    }

    /// The windows that count now; `nil` once there is none, and then the room is gone.
    private func openWindows(_ link: String) -> [Digest: Window]? {
        rooms.withLock { rooms in
            let now = ContinuousClock.now
            let open = rooms[link]?.filter { $0.value.until > now } ?? [:]
            rooms[link] = open.isEmpty ? nil : open
            return open.isEmpty ? nil : open
        }
    }

    /// Takes as long for a wrong token as for a right one.
    private static func isSame(_ token: [UInt8], _ other: [UInt8]) -> Bool {
        token.count == other.count && zip(token, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
