// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Hummingbird
internal import HummingbirdTLS
internal import Logging
internal import MeshModel
internal import MeshSystem
internal import MeshTrust
internal import NIOCore
internal import NIOSSL

/// The stand-in Proxmox API of the lab's hypervisor: https on 127.0.0.1 with a certificate of a CA of its own, as a real host has it.
package enum LabStandInProxmox {
    /// The account that the lab's mesh.yaml names.
    package static let tokenID = "meshgate@pve!lab"

    /// Below `directory`: `ca.pem` and `token`, which mesh.yaml points to, `certificate.pem` and `key.pem`.
    package static func prepare(_ directory: String) throws {
        let now = SystemClock.now().wall
        let (from, to) = (now + .seconds(-60), now + .seconds(86_400))
        // A leaf must not outlive its root, nor end with it.
        let rootKey = try PrivateKey.generate(), key = try PrivateKey.generate()
        let root = try Certificate.makeRoot(key: rootKey, name: "stand-in Proxmox CA", notBefore: from, notAfter: to + .seconds(86_400))
        guard let loopback = IPAddress("127.0.0.1") else { return }
        let leaf = try Certificate.issue(
            for: key.publicKey, profile: .coordinator(mesh: "stand-in", dnsNames: [], addresses: [loopback]), notBefore: from, notAfter: to,
            by: root, key: rootKey)
        try LabFiles.makePath(directory)
        try LabFiles.write(root.pem, to: directory + "/ca.pem")
        try LabFiles.write(leaf.pem, to: directory + "/certificate.pem")
        try LabFiles.write(try key.pem, to: directory + "/key.pem", mode: 0o600)
        try LabFiles.write("\(tokenID)=\(try KernelEntropy().hexID(byteCount: 16))\n", to: directory + "/token", mode: 0o600)
    }

    /// Serves what the files below `root` say until the task is cancelled; the port is written to `directory/port` and announced.
    package static func run(root: String, directory: String, announce: @escaping @Sendable (Int) -> Void = { _ in }) async throws {
        guard let token = LabFiles.text(directory + "/token") else {
            throw LabError.unexpected(doing: "read the token of the stand-in Proxmox", found: "no readable \(directory)/token")
        }
        let proxmox = StandInProxmox(root: root, token: token)
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(directory + "/certificate.pem").map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: directory + "/key.pem", format: .pem)))
        tls.minimumTLSVersion = .tlsv12
        let responder = CallbackResponder<BasicRequestContext> { request, _ in
            let faults = LabFiles.bytes(StandInProxmox.faultsFile(in: root)).flatMap {
                try? JSONDecoder().decode(StandInProxmox.Faults.self, from: Data($0))
            }
            if let slow = faults?.slow { try await ContinuousClock().sleep(for: .milliseconds(slow)) }
            let answer = proxmox.answer(
                request.method.rawValue, request.uri.string, authorization: request.headers[.authorization], faults: faults ?? .init())
            return Response(
                status: .init(code: answer.status), headers: [.contentType: "application/json"],
                body: .init(byteBuffer: ByteBuffer(string: try StandInJSON.encode(answer.json))))
        }
        let failure = Failure()
        let application = Application(
            responder: responder, server: try .tls(.http1(), tlsConfiguration: tls),
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0), serverName: "meshgate-lab-stand-in"),
            onServerRunning: { channel in
                guard let bound = channel.localAddress?.port else { return }
                await failure.catching { try LabFiles.write("\(bound)\n", to: directory + "/port") }
                announce(bound)
            }, logger: Logger(label: "stand-in-proxmox", factory: { _ in SwiftLogNoOpLogHandler() }))
        try await application.run()
        try await failure.rethrow()
    }

    /// Keeps what went wrong where it cannot be thrown.
    private actor Failure {
        private var error: (any Error)?
        func catching(_ body: () throws -> Void) { do { try body() } catch { self.error = error } }
        func rethrow() throws { if let error { throw error } }
    }
}
