// SPDX-License-Identifier: Apache-2.0

/// One question to an HTTP server, complete: nothing is taken from the environment, no proxy, no netrc, no cookies.
package struct HTTPRequest: Hashable, Sendable {
    package enum Method: String, Hashable, Sendable {
        case get = "GET"
        case head = "HEAD"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    package var method: Method
    /// `http://` or `https://`. Its host is the name that the server's certificate must carry.
    package var url: String
    /// Dial this Unix socket instead of the URL's host and port (which still make the Host header): `http://localhost/v1/status`.
    package var unixSocket: String?
    /// Dial this instead of the URL's host and port; TLS still expects the URL's name.
    package var dialInstead: HTTPEndpoint?
    package var headers: [HTTPHeader]
    package var body: [UInt8]
    /// From start to the last byte; `nil` only for streams that are meant to stay open.
    package var deadline: Duration?
    package var connectTimeout: Duration
    /// A connection on which nothing arrives for this long is cut; `nil` is no such limit.
    package var idleLimit: Duration?
    /// Most body bytes that `send` accepts.
    package var responseLimit: Int
    /// How https is judged.
    package var tls: HTTPTLS

    package init(
        _ method: Method, _ url: String, unixSocket: String? = nil, dialInstead: HTTPEndpoint? = nil, headers: [HTTPHeader] = [],
        body: [UInt8] = [], deadline: Duration? = .seconds(30), connectTimeout: Duration = .seconds(10), idleLimit: Duration? = nil,
        responseLimit: Int = 16 << 20, tls: HTTPTLS = HTTPTLS()
    ) {
        self.method = method
        self.url = url
        self.unixSocket = unixSocket
        self.dialInstead = dialInstead
        self.headers = headers
        self.body = body
        self.deadline = deadline
        self.connectTimeout = connectTimeout
        self.idleLimit = idleLimit
        self.responseLimit = responseLimit
        self.tls = tls
    }
}

/// A name or address and a port.
package struct HTTPEndpoint: Hashable, Sendable, CustomStringConvertible {
    package let host: String
    package let port: UInt16
    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// One header line.
package struct HTTPHeader: Hashable, Sendable {
    package let name: String
    package let value: String
    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// Whom to trust and who we are. There is no way to switch the check off; a self-signed server is trusted by giving its own certificate
/// as `roots`.
package struct HTTPTLS: Hashable, Sendable {
    /// Certificates that a server's chain may end in; nothing else counts.
    package enum Roots: Hashable, Sendable {
        case system
        case file(String)
        case pem([UInt8])
    }
    package enum Version: Hashable, Sendable { case v12, v13 }

    package var roots: Roots
    package var identity: Identity?
    package var minimum: Version

    package init(roots: Roots = .system, identity: Identity? = nil, minimum: Version = .v12) {
        self.roots = roots
        self.identity = identity
        self.minimum = minimum
    }

    /// Our client certificate (PEM, leaf first) and its private key (PEM, not encrypted). Never shown in messages.
    package struct Identity: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
        package let certificate: [UInt8]
        package let key: [UInt8]
        package init(certificate: [UInt8], key: [UInt8]) {
            self.certificate = certificate
            self.key = key
        }
        package var description: String { "a client certificate and key" }
        package var customMirror: Mirror { Mirror(self, children: []) }
    }
}
