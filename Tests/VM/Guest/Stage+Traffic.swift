// SPDX-License-Identifier: Apache-2.0

import Glibc
import HostTrace
import MeshModel
import MeshSystem

/// The tracer's view of a network that has more than one end.
extension Stage {
    /// Connections, what is sent again, and what is thrown away, between two namespaces with a switch between them.
    func traffic() async throws {
        let wires = try await Wires(machine)
        for (namespace, address) in [(Wires.near, "fd00:78::1/64"), (Wires.far, "fd00:78::2/64")] {
            try await wires.ip("-n", namespace, "addr", "add", address, "dev", "eth0", "nodad")
        }
        let watch = try watch([.tcp, .retransmit, .drop])
        for (near, far) in [("10.78.1.1", "10.78.1.2"), ("fd00:78::1", "fd00:78::2")] {
            guard let near = IPAddress(near), let far = IPAddress(far) else { throw Stuck("an address is malformed") }
            try await connection(wires, watch, near, far)
            try await refusal(wires, watch, far)
        }
        try await again(wires, watch)
        try await thrownAway(wires, watch)
        try await scope(wires)
        try expectBalance(watch)
    }

    private func connection(_ wires: Wires, _ watch: TraceWatch, _ near: IPAddress, _ far: IPAddress) async throws {
        let port: UInt16 = 7000
        let ear = try await wires.inside(Wires.far) { try TCPEnd.listening(far, port) }
        let mouth = try await wires.inside(Wires.near) {
            let end = try TCPEnd(far.family)
            guard end.connect(to: far, port) == 0 else { throw Stuck("cannot connect to \(far): \(errno)") }
            return end
        }
        let other = try ear.accept()
        try mouth.send(Array(repeating: 1, count: 1000))
        let received = try other.receive(1000)
        try other.send(Array(repeating: 2, count: 300))
        _ = try mouth.receive(300)
        for end in [mouth, other, ear] { end.close() }

        let (here, there) = (try namespace(Wires.near), try namespace(Wires.far))
        func ended(_ namespace: UInt32) -> TraceEvent.Connection? {
            watch.await { what in
                guard case .tcp(let connection, let from, .close) = what, from != .listen, connection.flow.namespace == namespace,
                    connection.flow.source?.family == far.family, connection.error == 0
                else { return nil }
                return connection
            }
        }
        let ends = (ended(here), ended(there))
        let states = watch.all { what -> TCPState? in
            guard case .tcp(let connection, _, let to) = what, connection.flow.namespace == here, connection.flow.destination == far,
                connection.flow.destinationPort == port
            else { return nil }
            return to
        }
        checks.expect(
            received.count == 1000 && states == [.synSent, .established, .close], "\(far): a connection from its beginning to its end",
            "\(states)")
        checks.expect(
            ends.0?.flow.source == near && ends.0?.flow.destination == far && ends.0?.owner?.pid == UInt32(getpid())
                && ends.0?.age ?? .zero > .zero && ends.0?.retransmits == 0,
            "\(far): both ends and who connected", "\(String(describing: ends.0))")
        checks.expect(
            ends.1?.flow.destination == near && ends.1?.flow.sourcePort == port && ends.1?.owner == nil,
            "\(far): the same from the other side, where nobody connected", "\(String(describing: ends.1))")
        // What opens and what closes a connection is counted as a byte.
        checks.expect(
            ends.0.map { 1000...1002 ~= $0.bytesSent && 300...301 ~= $0.bytesReceived } == true
                && ends.1.map { 300...302 ~= $0.bytesSent && 1000...1001 ~= $0.bytesReceived } == true,
            "\(far): how much went each way", "\(String(describing: ends))")
    }

    private func refusal(_ wires: Wires, _ watch: TraceWatch, _ far: IPAddress) async throws {
        let code = try await wires.inside(Wires.near) {
            let end = try TCPEnd(far.family)
            defer { end.close() }
            return end.connect(to: far, 7001)
        }
        let told = watch.await { what -> TraceEvent.Connection? in
            guard case .tcp(let connection, .synSent, .close) = what, connection.flow.destination == far else { return nil }
            return connection
        }
        checks.expect(
            code == ECONNREFUSED && told?.error == UInt16(ECONNREFUSED) && told?.flow.destinationPort == 7001
                && told?.owner?.name == Wires.near,
            "\(far): a connection that is refused, and to whom", "\(code), \(String(describing: told))")
        let drop = watch.await { what -> TraceEvent.Drop? in
            guard case .drop(let drop) = what, drop.flow.destination == far, drop.flow.destinationPort == 7001 else { return nil }
            return drop
        }
        checks.expect(
            drop.map { watch.words.reason($0.reason) } == "NO_SOCKET" && drop?.flow.protocol == 6,
            "\(far): the packet that nobody listened for", "\(String(describing: drop))")
    }

    /// A segment that a switch loses is sent again.
    private func again(_ wires: Wires, _ watch: TraceWatch) async throws {
        guard let far = IPAddress("10.78.1.2") else { throw Stuck("the address is malformed") }
        let port: UInt16 = 7002
        let ear = try await wires.inside(Wires.far) { try TCPEnd.listening(far, port) }
        let mouth = try await wires.inside(Wires.near) {
            let end = try TCPEnd(.v4)
            guard end.connect(to: far, port) == 0 else { throw Stuck("cannot connect: \(errno)") }
            return end
        }
        let other = try ear.accept()
        try await machine.tool("tc", "-n", Wires.middle, "qdisc", "add", "dev", "far0", "root", "netem", "loss", "100%")
        try mouth.send([1, 2, 3])
        let told = watch.await { what -> TraceEvent.Connection? in
            guard case .retransmit(let connection) = what, connection.flow.destinationPort == port else { return nil }
            return connection
        }
        try await machine.tool("tc", "-n", Wires.middle, "qdisc", "del", "dev", "far0", "root")
        let here = try namespace(Wires.near)
        checks.expect(
            told?.flow.destination == far && told?.owner?.name == Wires.near && told?.flow.namespace == here,
            "a segment that is sent again, and whose it is", "\(String(describing: told))")
        let lost = watch.await { what -> TraceEvent.Drop? in
            guard case .drop(let drop) = what, drop.flow.destinationPort == port, drop.flow.protocol == 6 else { return nil }
            return drop
        }
        say("# netem's loss: \(lost.map { watch.words.reason($0.reason) } ?? "not told")")
        checks.expect(lost?.flow.source == IPAddress("10.78.1.1"), "and the packet that the switch lost", "\(String(describing: lost))")
        checks.expect(try other.receive(3) == [1, 2, 3], "it arrives in the end")
        for end in [mouth, other, ear] { end.close() }
        let end = watch.await { what -> TraceEvent.Connection? in
            guard case .tcp(let connection, _, .close) = what, connection.flow.destinationPort == port else { return nil }
            return connection
        }
        checks.expect((end?.retransmits ?? 0) >= 1, "the end of the connection tells how often", "\(String(describing: end))")
    }

    private func thrownAway(_ wires: Wires, _ watch: TraceWatch) async throws {
        for rule in [
            "add table inet f", "add chain inet f i { type filter hook input priority 0 ; }", "add rule inet f i udp dport 7003 drop",
        ] {
            try await machine.tool("ip", "netns", "exec", Wires.far, "nft", rule)
        }
        guard let far = IPAddress("10.78.1.2") else { throw Stuck("the address is malformed") }
        try await wires.inside(Wires.near) {
            for _ in 0..<5 { try sendDatagram(Array("hello".utf8), to: far, 7003) }
        }
        let there = try namespace(Wires.far)
        func dropped() -> [TraceEvent.Drop] {
            watch.all { what in
                guard case .drop(let drop) = what, drop.flow.destinationPort == 7003, drop.flow.protocol == 17 else { return nil }
                return drop
            }
        }
        watch.look()
        let drops = dropped()
        checks.expect(
            drops.count == 5
                && drops.allSatisfy {
                    watch.words.reason($0.reason) == "NETFILTER_DROP" && $0.flow.source == IPAddress("10.78.1.1")
                        && $0.length == 20 + 8 + 5 && $0.etherType == 0x0800 && $0.flow.namespace == there && $0.flow.interface != 0
                },
            "packets that a firewall throws away, with reason, length and place", "\(drops)")
        let counted = try watch.tracer.figures().drops.filter {
            watch.words.reason($0.reason) == "NETFILTER_DROP" && $0.protocol == 17
        }
        checks.expect(
            counted.map(\.packets) == [5] && counted.map(\.bytes) == [5 * 33], "and the sum of them", "\(counted)")
    }

    /// A tracer that is to see its own namespace only, on a kernel that has several.
    private func scope(_ wires: Wires) async throws {
        let elsewhere = try await wires.inside(Wires.far) { try TCPEnd(.v4) }
        let (loopback, here) = (Self.loopback, try namespace(Wires.near))
        let namespaces = try await wires.inside(Wires.near) {
            let tracer = try HostTracer([.tcp, .drop], scope: .netns)
            let end = try TCPEnd(.v4)
            _ = end.connect(to: loopback, 7004)
            _ = elsewhere.connect(to: loopback, 7004)
            for one in [end, elsewhere] { one.close() }
            var namespaces: [UInt32] = []
            tracer.drain { event in
                switch event.what {
                case .tcp(let connection, _, _): namespaces.append(connection.flow.namespace)
                case .drop(let drop): namespaces.append(drop.flow.namespace)
                default: break
                }
            }
            return namespaces
        }
        checks.expect(
            namespaces.count >= 2 && namespaces.allSatisfy { $0 == here }, "a tracer of one namespace sees that one alone", "\(namespaces)")
    }

    private func namespace(_ name: String) throws -> UInt32 {
        var status = stat()
        guard stat("/run/netns/\(name)", &status) == 0 else { throw Stuck("there is no namespace \(name): \(errno)") }
        return UInt32(truncatingIfNeeded: status.st_ino)
    }
}
