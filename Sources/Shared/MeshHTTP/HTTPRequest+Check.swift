// SPDX-License-Identifier: Apache-2.0

extension HTTPRequest {
    /// Refuses what could smuggle a second header or request in, before it comes near libcurl.
    func check() throws {
        func refuse(_ reason: String) -> HTTPClientError { .malformed(url: place, reason: reason) }
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw refuse("the URL starts with neither http:// nor https://")
        }
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw refuse("the URL holds spaces or other bytes that must be escaped")
        }
        for header in headers {
            guard !header.name.isEmpty, header.name.utf8.allSatisfy(Self.isTokenByte) else {
                throw refuse("the header name \"\(header.name.filter { !$0.isNewline })\" is not a token")
            }
            guard header.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
                throw refuse("the value of the header \(header.name) holds control characters")
            }
        }
        if let socket = unixSocket, !socket.hasPrefix("/") || socket.utf8.contains(0) || socket.utf8.count > 107 {
            throw refuse("the socket path must be absolute and at most 107 bytes long")
        }
        if let host = dialInstead?.host, host.isEmpty || !host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) {
            throw refuse("the host to dial instead is not a name or an address")
        }
    }

    /// Where this request goes, for messages: without user, password, query and fragment, which may hold secrets.
    var place: String {
        let bare = url.prefix { $0 != "?" && $0 != "#" }
        var text = String(bare)
        // "http:", "", "user@host:1/path"
        let parts = bare.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        if parts.count == 3 {
            let authority = parts[2].prefix { $0 != "/" }
            let host = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
            text = "\(parts[0])//\(host)\(parts[2][authority.endIndex...])"
        }
        if let unixSocket { text += " on the socket \(unixSocket)" }
        if let dialInstead { text += " at \(dialInstead)" }
        return text
    }

    /// RFC 9110 section 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
