// SPDX-License-Identifier: Apache-2.0

package import MeshHTTP

/// Where a collector is, how to speak to it, and what it gets.
package struct OTLPConfiguration: Hashable, Sendable {
    package enum Transport: String, Hashable, Sendable, CaseIterable {
        case http = "http/protobuf"
        case grpc
    }

    /// A header of every request. Its value may be a key: it is never shown.
    package struct Header: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
        package let name: String
        package let value: String
        package var description: String { "\(name): (not shown)" }
        package var customMirror: Mirror { Mirror(self, children: []) }
        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package var endpoint: Endpoint
    package var transport: Transport
    package var headers: [Header] = []
    /// PEM of the certificates that the collector's chain may end in; the system's when absent.
    package var roots: [UInt8]?
    /// What we show to a collector that asks who we are.
    package var identity: HTTPTLS.Identity?
    /// Of one request.
    package var timeout = Duration.seconds(10)
    package var isCompressed = true
    package var signals = Set(OTLPSignal.allCases)
    /// Between two pages of metrics.
    package var metricsInterval = Duration.seconds(60)

    package init(endpoint: Endpoint, transport: Transport) {
        self.endpoint = endpoint
        self.transport = transport
    }

    /// `http://HOST[:PORT][/PATH]` or `https://…`.
    package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
        package let isSecure: Bool
        /// Without brackets.
        package let host: String
        package let port: UInt16?
        /// Begins with `/`, or is empty.
        package let path: String

        package init(_ text: String) throws(OTLPFault) {
            let fault = OTLPFault.endpoint(text.contains("@") ? "(not shown: it holds an \"@\")" : text)
            let rest: Substring
            if text.hasPrefix("https://") {
                (isSecure, rest) = (true, text.dropFirst(8))
            } else if text.hasPrefix("http://") {
                (isSecure, rest) = (false, text.dropFirst(7))
            } else {
                throw fault
            }
            let authority = rest.prefix { $0 != "/" }
            var path = rest.dropFirst(authority.count)
            while path.hasSuffix("/") { path = path.dropLast() }
            guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), !rest.contains("?"), !rest.contains("#"), !authority.contains("@")
            else {
                throw fault
            }
            self.path = String(path)
            var (name, number) = (authority, Substring(""))
            if authority.hasPrefix("[") {
                guard let end = authority.firstIndex(of: "]") else { throw fault }
                name = authority[authority.index(after: authority.startIndex)..<end]
                let tail = authority[authority.index(after: end)...]
                guard tail.isEmpty || tail.hasPrefix(":") else { throw fault }
                number = tail.dropFirst()
                guard tail.isEmpty == number.isEmpty else { throw fault }
            } else if let colon = authority.lastIndex(of: ":") {
                name = authority[..<colon]
                number = authority[authority.index(after: colon)...]
                guard !number.isEmpty, !name.contains(":") else { throw fault }
            }
            guard !name.isEmpty else { throw fault }
            host = String(name)
            guard number.isEmpty || (UInt16(number) ?? 0) > 0 else { throw fault }
            port = UInt16(number)
        }

        package var description: String {
            let name = host.contains(":") ? "[\(host)]" : host
            return "\(isSecure ? "https" : "http")://\(name)\(port.map { ":\($0)" } ?? "")\(path)"
        }
    }
}

extension OTLPConfiguration.Header {
    /// A file of lines `name: value`; empty lines and those that begin with `#` are passed over.
    package static func read(lines text: String) throws(OTLPFault) -> [Self] {
        var headers: [Self] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let bare = trimmed(line)
            if bare.isEmpty || bare.hasPrefix("#") { continue }
            // Neither name nor value goes into the message: whoever forgot the colon has written the key there.
            guard let colon = bare.firstIndex(of: ":") else { throw .headers("line \(index + 1) is not NAME: VALUE") }
            headers.append(try checked(bare[..<colon], trimmed(bare[bare.index(after: colon)...]), "line \(index + 1)"))
        }
        return headers
    }

    /// `name=value,name=value` with percent-encoding, as OTEL_EXPORTER_OTLP_HEADERS has it.
    package static func read(list text: String) throws(OTLPFault) -> [Self] {
        var headers: [Self] = []
        for (index, pair) in text.split(separator: ",").enumerated() {
            let place = "entry \(index + 1)"
            guard let equals = pair.firstIndex(of: "="), let value = percentDecoded(trimmed(pair[pair.index(after: equals)...])) else {
                throw .headers("\(place) is not NAME=VALUE")
            }
            headers.append(try checked(trimmed(pair[..<equals]), value, place))
        }
        return headers
    }

    private static func checked(_ name: some StringProtocol, _ value: some StringProtocol, _ place: String) throws(OTLPFault) -> Self {
        let lower = name.lowercased()
        guard !lower.isEmpty, lower.utf8.allSatisfy(isTokenByte) else { throw .headers("\(place) has no name that a header may have") }
        guard !value.isEmpty, value.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) else {
            throw .headers("\(place) has an empty value, or one with bytes that a header may not have")
        }
        let ours = ["content-type", "content-encoding", "content-length", "host", "te", "transfer-encoding", "connection"]
        guard !ours.contains(lower), !lower.hasPrefix("grpc-"), !lower.hasSuffix("-bin") else {
            throw .headers("\(place) sets \(lower), which belongs to the transport")
        }
        return Self(name: lower, value: String(value))
    }

    /// RFC 9110 section 5.6.2, lower case: HTTP/2 has no other.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        func isBlank(_ character: Character) -> Bool { character == " " || character == "\t" || character == "\r" }
        var rest = text.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest = rest.dropLast() }
        return String(rest)
    }

    private static func percentDecoded(_ text: String) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst(), let low = rest.popFirst(),
                let value = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(value)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
