// SPDX-License-Identifier: Apache-2.0

import Foundation
import Telemetry
import Testing

@testable import HostTrace

@Suite struct ProcTextTests {
    @Test("counters of the network are read by group and name") func netstat() {
        let text = "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoMin MaxConn RetransSegs\nTcp: 200 -1 17\nTcpExt: A B\nOther: 1 2\n"
        #expect(ProcText.netstat(text) == ["Ip.Forwarding": 1, "Ip.DefaultTTL": 64, "Tcp.RtoMin": 200, "Tcp.RetransSegs": 17])
    }

    @Test("pressure, vmstat and disks are read as the kernel writes them") func others() {
        #expect(
            ProcText.pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=81\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=7\n")
                == ["some": 81, "full": 7])
        #expect(ProcText.pairs("nr_free_pages 12\noom_kill 3\nbad\n") == ["nr_free_pages": 12, "oom_kill": 3])
        let disks = ProcText.disks(
            "   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n 254       0 vda 100 5 2048 30 7 1 64 9 0 40 39 0 0 0 0 0 0\n")
        #expect(disks.map(\.name) == ["vda"])
        #expect(disks.first?.millisecondsReading == 30 && disks.first?.sectorsWritten == 64 && disks.first?.millisecondsWriting == 9)
    }

    @Test("a name in /proc/PID/stat may hold brackets, spaces and line breaks") func names() {
        let rest = " S 7 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"
        for name in ["sh", "a) S 9 (b", "x y\nz"] {
            let read = ProcText.parentAndStart("12 (\(name))" + rest)
            #expect(read?.parent == 7 && read?.start == 4711)
        }
        #expect(ProcText.parentAndStart("12 (sh) S") == nil && ProcText.parentAndStart("") == nil)
    }

    @Test("no text is too strange") func fuzz() {
        var random = TraceRecordTests.Seeded(state: 99)
        let pieces = ["Tcp:", " ", "\n", "-1", "18446744073709551616", "some", "total=", "9", "(", ")", "é", "\0", "avg10=0.00", "7 0 sda"]
        for _ in 0..<3000 {
            let text = (0..<Int.random(in: 0..<60, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            _ = (ProcText.netstat(text), ProcText.pairs(text), ProcText.disks(text), ProcText.pressure(text), ProcText.parentAndStart(text))
        }
    }
}

@Suite struct ProcTracerTests {
    /// A directory that plays /proc.
    private final class FakeProc {
        let path = NSTemporaryDirectory() + "proc-\(UUID().uuidString)"
        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: path) }
        func put(_ name: String, _ text: String) throws {
            let url = URL(fileURLWithPath: path + "/" + name)
            try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        }
        func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path + "/" + name) }
        func process(_ pid: Int, _ name: String, start: Int, arguments: String = "") throws {
            try put("\(pid)/stat", "\(pid) (\(name)) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 \(start) 0 0")
            try put("\(pid)/comm", name + "\n")
            try put("\(pid)/cmdline", arguments)
        }
    }
    private let noon = EventTime(nanoseconds: 1_800_000_000_000_000_000)

    @Test("processes are told when they come and go, not those that were there, and a pid that is used again is another one")
    func processes() throws {
        let proc = try FakeProc()
        try proc.process(1, "init", start: 1)
        let tracer = ProcTracer(procroot: proc.path)
        #expect(tracer.processes(at: noon).events.isEmpty)
        try proc.process(40, "nc", start: 90, arguments: "nc\0-l\0" + String(repeating: "9", count: 500))
        let came = tracer.processes(at: noon).events
        #expect(came.map(\.kind) == [.processExec] && came.first?.attributes.pid == 40 && came.first?.attributes.binary == "nc")
        #expect((came.first?.body?.bytes.count ?? 0) < 400, "the command line is bounded")
        try proc.process(40, "sh", start: 95)
        #expect(Set(tracer.processes(at: noon).events.map(\.kind)) == [.processExec, .processExit])
        try proc.remove("40")
        let gone = tracer.processes(at: noon).events
        #expect(
            gone.map(\.kind) == [.processExit] && gone.first?.attributes.binary == "sh" && gone.first?.attributes.reason == "seen_in_proc")
        #expect(tracer.processes(at: noon).events.isEmpty)
    }

    @Test("more than can be told at once is counted") func many() throws {
        let proc = try FakeProc()
        let tracer = ProcTracer(procroot: proc.path)
        _ = tracer.processes(at: noon)
        for pid in 1...(ProcTracer.most + 30) { try proc.put("\(pid)/stat", "1 (p) S 1 1 1 0 -1 4 1 0 0 0 0 0 0 0 20 0 1 0 \(pid) 0 0") }
        let (events, left) = tracer.processes(at: noon)
        #expect(events.count == ProcTracer.most && left == 30)
    }

    @Test("counters are told as what came on top, and a kill for want of memory as an event of its own") func figures() throws {
        let proc = try FakeProc()
        func counters(resent: Int, kills: Int) throws {
            try proc.put("net/snmp", "Tcp: RetransSegs OutSegs\nTcp: \(resent) 1000\n")
            try proc.put("vmstat", "oom_kill \(kills)\n")
        }
        let tracer = ProcTracer(procroot: proc.path)
        try counters(resent: 5, kills: 2)
        #expect(tracer.figures(at: noon).isEmpty)
        try counters(resent: 12, kills: 2)
        let first = tracer.figures(at: noon)
        #expect(first.map(\.kind) == [.hostFigures])
        let object = try #require(try JSONSerialization.jsonObject(with: Data(first.first?.body?.bytes ?? [])) as? [String: Any])
        #expect(object["Tcp.RetransSegs"] as? Int == 7 && object["oom_kill"] as? Int == 0)
        try counters(resent: 1, kills: 3)
        let second = tracer.figures(at: noon)
        #expect(second.map(\.kind) == [.hostFigures, .oomKill])
        let text = String(decoding: second.first?.body?.bytes ?? [], as: UTF8.self)
        #expect(!text.contains("RetransSegs"), "a counter that went back tells nothing")
    }

    @Test("this machine's own /proc is read") func real() throws {
        let tracer = ProcTracer(procroot: "/proc")
        _ = tracer.processes(at: noon)
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/bin/sleep")
        child.arguments = ["60"]
        try child.run()
        defer { child.terminate() }
        let seen = tracer.processes(at: noon).events
        #expect(seen.contains { $0.attributes.pid == UInt32(child.processIdentifier) && $0.attributes.binary?.hasSuffix("sleep") == true })
        _ = tracer.figures(at: noon)
        #expect(tracer.figures(at: noon).first?.kind == .hostFigures)
    }
}
