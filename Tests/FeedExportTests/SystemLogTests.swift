// SPDX-License-Identifier: Apache-2.0

import FeedExport
import Glibc
import MeshModel
import Running
import Testing

@Suite("Events for the machine's log")
struct SystemLogTests {
    let samples: FeedSamples

    init() throws { samples = try FeedSamples() }

    private func entry(_ text: String) -> SystemLogEntry {
        SystemLogEntry(FeedEvent(samples.record(7, .alarm(subject: .node(samples.node), text: text)), run: nil), mesh: "home")
    }

    /// Takes apart what journald would: `nil` for bytes that it would refuse.
    private func fields(_ bytes: [UInt8]) -> [String: String]? {
        var fields: [String: String] = [:]
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let mark = rest.firstIndex(where: { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: "\n") }) else { return nil }
            let name = String(decoding: rest[..<mark], as: UTF8.self)
            guard !name.isEmpty, name.allSatisfy({ $0 == "_" || ("A"..."Z").contains($0) }), fields[name] == nil else { return nil }
            var value: ArraySlice<UInt8>
            if rest[mark] == UInt8(ascii: "=") {
                guard let end = rest[mark...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
                value = rest[(mark + 1)..<end]
                rest = rest[(end + 1)...]
            } else {
                guard rest.endIndex - mark > 9 else { return nil }
                let length = (0..<8).reduce(0) { $0 | Int(rest[mark + 1 + $1]) << (8 * $1) }
                let start = mark + 9
                guard length >= 0, start + length < rest.endIndex, rest[start + length] == UInt8(ascii: "\n") else { return nil }
                value = rest[start..<(start + length)]
                rest = rest[(start + length + 1)...]
            }
            guard let text = String(validating: value, as: UTF8.self) else { return nil }
            fields[name] = text
        }
        return fields
    }

    @Test("journald gets every field, and cannot be made to see others")
    func journald() throws {
        let plain = try #require(fields(entry("disk is gone").journald))
        #expect(
            plain == [
                "MESSAGE": "node wrk-e-1: disk is gone", "PRIORITY": "3", "SYSLOG_IDENTIFIER": "meshgate", "MESHGATE_MESH": "home",
                "MESHGATE_SEQ": "7", "MESHGATE_KIND": "alarm", "MESHGATE_TIME": samples.noon.wall.description, "MESHGATE_NODE": "wrk-e-1",
            ])
        let hostile = try #require(fields(entry("x\nPRIORITY=0\nMESSAGE=all is well\n\u{1b}[2J=").journald))
        #expect(hostile["PRIORITY"] == "3" && hostile["MESSAGE"]?.hasSuffix("\u{1b}[2J=") == true && hostile.count == plain.count)
    }

    @Test("syslog gets one line of RFC 5424, whose structured data nobody can break out of")
    func syslog() throws {
        func line(_ text: String, host: String = "cube") -> String {
            String(decoding: entry(text).syslog(host: host, process: 42), as: UTF8.self)
        }
        #expect(
            line("gone")
                == "<27>1 \(samples.noon.wall) cube meshgate 42 alarm [meshgate@32473 mesh=\"home\" seq=\"7\" kind=\"alarm\" "
                + "time=\"\(samples.noon.wall)\" node=\"wrk-e-1\"] node wrk-e-1: gone")
        let hostile = line("a\nb\u{0}c\u{85}] <0>1 x", host: "bad host\n\u{e4}")
        #expect(hostile.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f..<0xa0).contains($0.value) })
        #expect(hostile.contains(" badhost meshgate 42 ") && line("x", host: "\n").contains("Z - meshgate"))
        let quoted = SystemLogEntry(
            FeedEvent(samples.record(1, .agentEnrolled(node: samples.node, serial: "1", by: #"a"]\b"#)), run: nil), mesh: "home")
        #expect(String(decoding: quoted.syslog(host: "c", process: 1), as: UTF8.self).contains(#"by="a\"\]\\b"]"#))
    }

    @Test(
        "megabytes are cut, at a whole character, and still fit into one datagram of a real socket",
        arguments: [SystemLogSocket.Form.journald, .syslog])
    func size(form: SystemLogSocket.Form) throws {
        let path = "/tmp/meshgate-log-\(getpid())-\(form.rawValue)"
        let file = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer {
            close(file)
            unlink(path)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(file, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        #expect(bound == 0)
        let log = try SystemLogSocket(form, path: path)
        try log.send(entry(String(repeating: "\u{1f4a5}\n", count: 1 << 20)))
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(file, &buffer, buffer.count, 0)
        #expect(count > 4000 && count < 8192)
        let text = try #require(String(validating: buffer[..<count], as: UTF8.self))
        #expect(text.contains("\u{2026}"))
        if form == .journald { #expect(fields(Array(buffer[..<count]))?["MESSAGE"]?.utf8.count ?? 0 <= 4096) }
        // Nobody reads: in the end it is refused and not waited for.
        #expect(throws: SystemLogSocket.Fault.self) { for _ in 0..<100_000 { try log.send(entry("x")) } }
        #expect(throws: SystemLogSocket.Fault.self) { try SystemLogSocket(form, path: "/tmp/nobody-\(getpid())").send(entry("x")) }
        #expect(throws: SystemLogSocket.Fault.self) { try SystemLogSocket(form, path: "/" + String(repeating: "x", count: 200)) }
    }
}
