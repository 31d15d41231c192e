// SPDX-License-Identifier: Apache-2.0

import Glibc
import HostTrace
import MeshSystem
import Synchronization
import Telemetry

/// What our own eBPF's reader takes for an event: connections to a closed port of loopback, each of which the kernel tells as two events, are
/// read from the ring on the tracer's timer by a thread whose processor time is all that counts.
struct TraceBench {
    /// Events a second.
    let rate: Int
    let seconds: Int

    func run() throws {
        let tracer = try HostTracer([.tcp], ringBytes: 16 << 20)
        guard !tracer.running.isEmpty else { throw BenchError.failed("not traced here: \(tracer.refused)") }
        let ended = Atomic(false)
        let port = try Self.closedPort()
        try OwnThread.start(named: "connections") { [rate] in
            // A hundredth of a second's worth at a time.
            let began = ContinuousClock.now
            var sent = 0
            while !ended.load(ordering: .relaxed) {
                for _ in 0..<rate / 200 { Self.refused(port) }
                sent += rate / 200 * 2
                let ahead = Duration.seconds(Double(sent) / Double(rate)) - (ContinuousClock.now - began)
                if ahead > .zero { usleep(UInt32(clamping: Int(ahead / .microseconds(1)))) }
            }
        }
        defer { ended.store(true, ordering: .relaxed) }
        let words = KernelWords()
        let (load, before) = (Machine.load, try tracer.figures())
        let began = Machine.now()
        var read = Reading()
        var whole = Reading()
        // In turn: the reading alone, and with what the tracer makes of it.
        while Machine.now() - began < Double(seconds) {
            poll(nil, 0, Int32(HostTracer.interval / .milliseconds(1)))
            read.measure { count in tracer.drain { _ in count += 1 } }
            poll(nil, 0, Int32(HostTracer.interval / .milliseconds(1)))
            whole.measure { count in
                tracer.drain { event in
                    count += event.telemetry(words).body == nil ? 0 : 1
                }
            }
        }
        let elapsed = Machine.now() - began
        let after = try tracer.figures()
        let lost = after.programs.reduce(UInt64(0)) { $0 + $1.value.ringFull - (before.programs[$1.key]?.ringFull ?? 0) }
        Machine.row(
            "\(rate)", (Double(read.events + whole.events) / elapsed).text(0), "\(read.events + whole.events)", read.text, whole.text,
            "\(lost)", load)
    }

    private struct Reading {
        var events = 0
        var seconds = 0.0
        mutating func measure(_ body: (inout Int) -> Void) {
            let before = Self.thread()
            body(&events)
            seconds += Self.thread() - before
        }
        var text: String { (seconds / Double(max(events, 1)) * 1e9).text(0) }
        /// Processor time of this thread alone.
        private static func thread() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }

    private static func refused(_ port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return }
        var address = loopback(port)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        close(descriptor)
    }

    /// A port that nobody listens at: one that was bound, and is bound no more.
    private static func closedPort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) + getsockname(descriptor, $0, &length)
            }
        }
        guard descriptor >= 0, bound == 0 else { throw BenchError.failed("no port") }
        return UInt16(bigEndian: address.sin_port)
    }
}
