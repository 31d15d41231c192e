// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import MeshModel

/// The client's side of one TLS handshake, without a network: bytes of the server go in, bytes for the server come out. It takes every
/// certificate, because it is to tell which one was shown; it shows none, holds no secret, and nothing is ever said over the connection.
///
///     began -> (receive)* -> ended
///
/// Not `Sendable`: whoever owns the connection owns this.
package final class HandshakeClient {
    /// How it ended.
    package struct End: Hashable, Sendable {
        /// `shaken`, `notTLS` or `broken`.
        package var outcome: HandshakeFact.Outcome
        package var problem: String?
        /// `TLSv1.3`
        package var version: String?
        package var wantsClientCertificate = false
        /// As the server sent them, its own first; DER.
        package var chain: [[UInt8]] = []
    }

    /// What a server may send of certificates, and of everything: a chain of Cilium's has less than 4 KiB.
    package static let longestChain = 64 << 10
    package static let longestFlight = 192 << 10
    /// More certificates than this are not looked at.
    package static let mostCertificates = 10

    private let context: OpaquePointer
    private let connection: OpaquePointer
    /// Owned by the connection.
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private let asked: UnsafeMutablePointer<Bool>
    private var received = 0
    private var opening: [UInt8] = []
    private var end: End?

    /// `serverName`: what the server is asked to prove.
    package init(serverName: String) throws(TrustError) {
        guard !serverName.isEmpty, serverName.utf8.count <= HandshakeTarget.longestName, !serverName.utf8.contains(0) else {
            throw .openSSL(doing: "begin a handshake", reason: "\"\(serverName.prefix(64))\" is no name of a server")
        }
        let context = try Self.makeContext()
        guard let connection = SSL_new(context) else {
            SSL_CTX_free(context)
            throw OpenSSL.failure("begin a handshake")
        }
        guard let incoming = BIO_new(BIO_s_mem()), let outgoing = BIO_new(BIO_s_mem()) else {
            SSL_free(connection)
            SSL_CTX_free(context)
            throw OpenSSL.failure("begin a handshake")
        }
        SSL_set_bio(connection, incoming, outgoing)
        SSL_set_connect_state(connection)
        asked = .allocate(capacity: 1)
        asked.initialize(to: false)
        self.context = context
        self.connection = connection
        self.incoming = incoming
        self.outgoing = outgoing
        // From here on the deinitialiser frees.
        _ = SSL_set_ex_data(connection, 0, asked)
        guard meshgate_ssl_server_name(connection, serverName) == 1 else { throw OpenSSL.failure("name the server") }
    }

    deinit {
        SSL_free(connection)
        SSL_CTX_free(context)
        asked.deallocate()
    }

    private static func makeContext() throws(TrustError) -> OpaquePointer {
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw OpenSSL.failure("begin a handshake") }
        // Go's own client, which Cilium is, begins at 1.2. Without a fresh key exchange a server would prove nothing before the very end.
        let isSet =
            meshgate_ssl_oldest_version(context, TLS1_2_VERSION) == 1
            && SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1
        guard isSet else {
            SSL_CTX_free(context)
            throw OpenSSL.failure("begin a handshake")
        }
        _ = meshgate_ssl_longest_chain(context, longestChain)
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
        // Weak keys are for whoever reads the answer to judge, not to be silent about.
        SSL_CTX_set_security_level(context, 1)
        meshgate_ssl_no_renegotiation(context)
        SSL_CTX_set_client_cert_cb(context) { connection, _, _ in
            SSL_get_ex_data(connection, 0)?.assumingMemoryBound(to: Bool.self).pointee = true
            return 0
        }
        return context
    }

    /// The first bytes for the server.
    package func begin() -> [UInt8] {
        step()
        return flush()
    }

    /// Takes what the server sent, and tells what is to be sent to it. Nothing more is taken after the end.
    package func receive(_ bytes: [UInt8]) -> [UInt8] {
        guard end == nil, !bytes.isEmpty else { return [] }
        received += bytes.count
        if opening.count < Self.excerpt { opening += bytes.prefix(Self.excerpt - opening.count) }
        guard looksLikeTLS else {
            end = End(outcome: .notTLS, problem: "it says \(Self.shown(opening))")
            return []
        }
        guard received <= Self.longestFlight else {
            end = End(outcome: .broken, problem: "it sends more than \(Self.longestFlight >> 10) KiB before the handshake ends")
            return []
        }
        guard BIO_write(incoming, bytes, Int32(bytes.count)) == bytes.count else {
            end = End(outcome: .broken, problem: "what it sent could not be kept")
            return []
        }
        step()
        return flush()
    }

    /// The server has closed the connection.
    package func closed() {
        guard end == nil else { return }
        end = ended(
            broken: received == 0 ? "it closes the connection without a word" : "it closes the connection in the middle of the handshake")
    }

    /// `nil` while the handshake goes on.
    package var result: End? { end }

    // MARK: private parts

    private static let excerpt = 32

    /// A record of a handshake or an alert, of any version of TLS.
    private var looksLikeTLS: Bool {
        guard let first = opening.first else { return true }
        return (first == 0x16 || first == 0x15) && (opening.count < 2 || opening[1] == 3)
    }

    private func step() {
        ERR_clear_error()
        let result = SSL_do_handshake(connection)
        if result == 1 {
            end = ended(broken: nil)
            // Politely, so that the server does not log a broken connection.
            _ = SSL_shutdown(connection)
            ERR_clear_error()
            return
        }
        let code = SSL_get_error(connection, result)
        guard code != SSL_ERROR_WANT_READ, code != SSL_ERROR_WANT_WRITE else { return }
        let words = Self.reason()
        end = ended(broken: words)
    }

    /// A server that wants a certificate of us has shown its own, and signed for its key, before it can turn us away for having none.
    private func ended(broken: String?) -> End {
        let chain = self.chain
        var end = End(outcome: .shaken, version: SSL_get_version(connection).map { String(cString: $0) }, chain: chain)
        end.wantsClientCertificate = asked.pointee
        if let broken, chain.isEmpty || !asked.pointee {
            end.outcome = .broken
            end.problem = broken
        }
        return end
    }

    private var chain: [[UInt8]] {
        guard let stack = SSL_get_peer_cert_chain(connection) else { return [] }
        return (0..<min(max(0, OPENSSL_sk_num(stack)), Int32(Self.mostCertificates))).compactMap { index in
            OPENSSL_sk_value(stack, index).flatMap { try? OpenSSL.encode(OpaquePointer($0), "read a certificate", i2d_X509) }
        }
    }

    private func flush() -> [UInt8] {
        let waiting = BIO_ctrl_pending(outgoing)
        guard waiting > 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: waiting)
        let count = BIO_read(outgoing, &bytes, Int32(waiting))
        return count > 0 ? Array(bytes.prefix(Int(count))) : []
    }

    private static func reason() -> String {
        let code = ERR_peek_error()
        defer { ERR_clear_error() }
        guard code != 0, let text = ERR_reason_error_string(code) else { return "it does not go on" }
        return String(cString: text)
    }

    private static func shown(_ bytes: [UInt8]) -> String {
        let isText = bytes.allSatisfy { (0x20..<0x7f).contains($0) || $0 == 0x0a || $0 == 0x0d }
        let line = bytes.prefix { $0 != 0x0a && $0 != 0x0d }
        return isText && !line.isEmpty
            ? "\"\(String(decoding: line, as: UTF8.self))\"" : "bytes that begin with \(encodeHex(bytes.prefix(8)))"
    }
}
