// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel
import MeshSystem
import Synchronization

/// Answers other nodes' datagrams while windows are open: one socket and one thread for each address and port, which end with the last
/// window. Nobody is answered without a token of an open window, nor with more bytes than came, nor more often than `mostAnswers`.
final class EchoHouse: Sendable {
    typealias Log = @Sendable (_ event: String, _ details: [String: String]) -> Void

    static let mostRooms = 8
    static let mostTokens = 64
    /// In a tenth of a second, of one room.
    static let mostAnswers = 4000

    private struct Place: Hashable {
        let address: IPAddress
        let port: UInt16
    }

    private struct Room {
        /// Where it really answers.
        var port: UInt16
        var tokens: [Digest: ContinuousClock.Instant]
    }

    private let rooms = Mutex<[Place: Room]>([:])
    private let stopped = Atomic<Bool>(false)
    private let log: Log

    init(log: @escaping Log = { _, _ in }) { self.log = log }

    /// Ends every room within a quarter of a second.
    func stop() { stopped.store(true, ordering: .relaxed) }

    /// Answers from now on, until the window's time is over; the port that it answers on. Where the planned one is taken, as by the kernel
    /// once Cilium has a tunnel, the substitute is used.
    @discardableResult
    func open(_ window: EchoWindow) throws -> UInt16 {
        let place = Place(address: window.address, port: window.port)
        let until = ContinuousClock.now + min(max(window.lasts.duration, .zero), EchoWindow.longest.duration)
        return try rooms.withLock { rooms in
            if var room = rooms[place] {
                guard room.tokens.count < Self.mostTokens || room.tokens[window.token] != nil else {
                    throw HostProbeError.tooManyTargets(Self.mostTokens + 1, limit: Self.mostTokens)
                }
                room.tokens[window.token] = until
                rooms[place] = room
                return room.port
            }
            guard rooms.count < Self.mostRooms else { throw HostProbeError.tooManyTargets(rooms.count + 1, limit: Self.mostRooms) }
            let (descriptor, port) = try Self.bind(place)
            do {
                try OwnThread.start(named: "echo") { self.serve(descriptor, place) }
            } catch {
                close(descriptor)
                throw error
            }
            rooms[place] = Room(port: port, tokens: [window.token: until])
            return port
        }
    }

    private static func bind(_ place: Place) throws -> (Int32, UInt16) {
        var number = EADDRINUSE
        for port in [place.port, PathTarget.substitute(for: place.port)] {
            let descriptor = meshgate_udp_bind(place.address.family.number, place.address.octets, port)
            if descriptor >= 0 { return (descriptor, port) }
            number = -descriptor
            if number != EADDRINUSE { break }
        }
        throw HostProbeError.cannotAnswer(address: place.address, port: place.port, cause: words(number))
    }

    private func serve(_ descriptor: Int32, _ place: Place) {
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var answers = 0
        var dropped = 0
        var tenth = ContinuousClock.now
        while !stopped.load(ordering: .relaxed), let tokens = openTokens(place) {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 250) > 0 else { continue }
            let now = ContinuousClock.now
            if now - tenth > .milliseconds(100) { (tenth, answers) = (now, 0) }
            // As long as there are some, but not without looking at the windows now and then.
            for _ in 0..<256 {
                guard let question = receive(descriptor, place.address.family, &buffer) else { break }
                guard question.length >= EchoDatagram.headLength, let datagram = EchoDatagram(buffer[..<question.length]),
                    tokens.contains(where: { Self.isSame($0.bytes, datagram.rest) }),
                    let answer = datagram.answer(to: question.from, question.port, received: question.length)
                else { continue }
                guard answers < Self.mostAnswers else {
                    dropped += 1
                    continue
                }
                answers += 1
                // A full queue or a link that is too small is loss like any other: the asking side sees it.
                _ = meshgate_udp_answer(
                    descriptor, place.address.family.number, answer, answer.count, question.from.octets, question.port)
            }
        }
        if dropped > 0 { log("echoes dropped", ["address": "\(place.address)", "port": "\(place.port)", "count": "\(dropped)"]) }
    }

    /// The tokens that count now; `nil` once there is none, and then the room is gone.
    private func openTokens(_ place: Place) -> [Digest]? {
        rooms.withLock { rooms in
            let now = ContinuousClock.now
            let open = rooms[place]?.tokens.filter { $0.value > now } ?? [:]
            rooms[place]?.tokens = open
            if open.isEmpty { rooms[place] = nil }
            return open.isEmpty ? nil : Array(open.keys)
        }
    }

    private struct Question {
        let length: Int
        let from: IPAddress
        let port: UInt16
    }

    private func receive(_ descriptor: Int32, _ family: IPAddress.Family, _ buffer: inout [UInt8]) -> Question? {
        var from = [UInt8](repeating: 0, count: 16)
        var port: UInt16 = 0
        let got = meshgate_udp_receive(descriptor, &buffer, buffer.count, &from, &port)
        guard got >= 0 else { return nil }
        return Question(length: Int(got), from: IPAddress(octets: from.prefix(family == .v4 ? 4 : 16), family), port: port)
    }

    /// Takes as long for a wrong token as for a right one.
    private static func isSame(_ token: [UInt8], _ other: [UInt8]) -> Bool {
        token.count == other.count && zip(token, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
