// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshModel
import MeshTrust
import Testing

/// Authorities and certificates made by the real openssl, and real servers that show them; all of it goes away with the test.
final class TLSLab: @unchecked Sendable {
    let path: String
    private var processes: [Process] = []

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("tlslab-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for name in ["ca", "other"] {
            try openssl(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \(name).key -out \(name).crt -days 3650 -subj",
                "/CN=Cilium CA")
        }
    }

    deinit {
        for process in processes where process.isRunning { process.terminate() }
        do { try FileManager.default.removeItem(atPath: path) } catch { print("left behind: \(path): \(error)") }
    }

    func openssl(_ words: String, _ subject: String...) throws {
        try shell("cd \(path) && openssl \(words) " + subject.map { "'\($0)'" }.joined(separator: " "))
    }

    func anchor(_ name: String = "ca") throws -> TrustAnchor {
        try TrustAnchor(pem: String(contentsOfFile: "\(path)/\(name).crt", encoding: .utf8))
    }

    /// `NAME.crt` and `NAME.key`. `from` and `days` in days from today.
    func issue(
        _ name: String, by issuer: String = "ca", san: String = "DNS:clustermesh-apiserver.cilium.io,DNS:*.mesh.cilium.io,IP:127.0.0.1",
        dates: String = "-days 365"
    ) throws {
        try openssl("ecparam -name prime256v1 -genkey -noout -out \(name).key")
        try openssl("req -new -key \(name).key -out \(name).csr -subj", "/CN=clustermesh-apiserver.cilium.io")
        let usages = "extendedKeyUsage=serverAuth,clientAuth\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
        try "subjectAltName=\(san)\n\(usages)".write(toFile: "\(path)/\(name).ext", atomically: true, encoding: .utf8)
        if dates.hasPrefix("-days") {
            try openssl(
                "x509 -req -in \(name).csr -CA \(issuer).crt -CAkey \(issuer).key -CAcreateserial -extfile \(name).ext \(dates) -out \(name).crt"
            )
        } else {
            // Only `openssl ca` takes both dates.
            let settings =
                "[ca]\ndefault_ca=d\n[d]\ndatabase=\(name).db\nserial=\(name).srl\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
            try settings.write(toFile: "\(path)/\(name).cnf", atomically: true, encoding: .utf8)
            try shell("cd \(path) && touch \(name).db && echo 4242 > \(name).srl")
            try openssl(
                "ca -batch -notext -config \(name).cnf -in \(name).csr -cert \(issuer).crt -keyfile \(issuer).key -extfile \(name).ext \(dates) -out \(name).crt"
            )
        }
    }

    /// `openssl s_server` on a port that the kernel chose.
    func serve(_ name: String, _ options: String...) throws -> UInt16 {
        let arguments = ["s_server", "-accept", "127.0.0.1:0", "-cert", "\(name).crt", "-key", "\(name).key", "-naccept", "8"]
        let line = try start("/usr/bin/openssl", arguments + options) { $0.hasPrefix("ACCEPT ") }
        return try #require(line.split(separator: ":").last.flatMap { UInt16($0) }, "\(line)")
    }

    /// Starts a program in the directory and waits for the line that says that it serves.
    @discardableResult
    func start(_ program: String, _ arguments: [String], until isReady: (String) -> Bool) throws -> String {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        process.standardInput = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        processes.append(process)
        var text = ""
        while case let data = pipe.fileHandleForReading.availableData, !data.isEmpty {
            text += String(decoding: data, as: UTF8.self)
            if let line = text.split(separator: "\n").map(String.init).first(where: isReady) {
                pipe.fileHandleForReading.readabilityHandler = { _ = $0.availableData }
                return line
            }
        }
        throw ShellFailure(description: "\(program) ended: \(text.suffix(2000))")
    }

    func target(_ port: UInt16, _ name: String = "west.mesh.cilium.io", at address: String = "127.0.0.1") throws -> HandshakeTarget {
        HandshakeTarget(
            cluster: try #require(ClusterName("west")), address: try #require(IPAddress(address)), port: port, serverName: name)
    }
}

/// A server that says what it is told to, to whoever comes, and counts nothing.
final class PlayedServer: @unchecked Sendable {
    let port: UInt16
    private let descriptor: Int32

    /// `play` gets the connection, after the first bytes of the client were read.
    init(_ play: @escaping @Sendable (Int32) -> Void) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let outcome = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && listen(descriptor, 8) == 0 ? getsockname(descriptor, address, &length) : -1
            }
        }
        guard outcome == 0 else { throw ShellFailure(description: "cannot listen: \(errno)") }
        port = UInt16(bigEndian: name.sin_port)
        self.descriptor = descriptor
        // Ends with the listening socket.
        Thread.detachNewThread {
            while case let connection = accept(descriptor, nil, nil), connection >= 0 {
                var buffer = [UInt8](repeating: 0, count: 4096)
                _ = recv(connection, &buffer, buffer.count, 0)
                play(connection)
                close(connection)
            }
        }
    }

    deinit {
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }

    static func say(_ bytes: [UInt8], to connection: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = send(connection, Array(rest), rest.count, Int32(MSG_NOSIGNAL))
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
