// SPDX-License-Identifier: Apache-2.0

/// Takes secrets out of text that people will read: values that are known to be secret, and whatever has the shape of one. It errs on the
/// side of taking too much; what must not be seen at all is not handed to it but withheld.
package struct Redactor: Sendable {
    package static let mark = "[redacted]"
    /// Shorter values than this are words of any language; redacting them would leave no text.
    private static let shortestSecret = 6

    private let known: [[UInt8]]

    /// - Parameter secrets: values that must not be seen wherever they stand.
    package init(secrets: some Sequence<String> = [String]()) {
        // The longest first: a secret that holds another one must not lose its middle only.
        known = Set(secrets).map { Array($0.utf8) }.filter { $0.count >= Self.shortestSecret }.sorted { $0.count > $1.count }
    }

    package func clean(_ text: String) -> String {
        var bytes = Array(text.utf8)
        for secret in known { bytes = Self.without(secret, in: bytes) }
        bytes = Self.withoutKeys(bytes)
        return Self.withoutTokens(bytes)
    }

    private static func without(_ secret: [UInt8], in bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= secret.count else { return bytes }
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == secret[0], bytes[index...].starts(with: secret) {
                result += mark.utf8
                index += secret.count
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return result
    }

    // MARK: PEM

    private static let begin = Array("-----BEGIN ".utf8)
    private static let end = Array("-----END ".utf8)
    private static let privateKey = Array("PRIVATE KEY-----".utf8)

    /// Private keys from their first line to their last, or to the end of the text when the last line was cut off.
    private static func withoutKeys(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var rest = bytes[...]
        while let start = find(begin, in: rest) {
            let head = rest[start...].prefix(80)
            guard let title = find(privateKey, in: head) else {
                result += rest[..<(start + begin.count)]
                rest = rest[(start + begin.count)...]
                continue
            }
            result += rest[..<start]
            result += mark.utf8
            let body = rest[(title + privateKey.count)...]
            guard let stop = find(end, in: body) else { return result }
            rest = body[stop...].dropFirst(end.count)
            rest = rest[(find(Array("-----".utf8), in: rest).map { $0 + 5 } ?? rest.endIndex)...]
        }
        return result + rest
    }

    private static func find(_ needle: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= needle.count else { return nil }
        return (bytes.startIndex...(bytes.endIndex - needle.count)).first { bytes[$0] == needle[0] && bytes[$0...].starts(with: needle) }
    }

    // MARK: words

    private static let tokenPrefixes = [
        "dp.pt.", "dp.st.", "dp.sa.", "dp.ct.", "dp.scim.", "dp.audit.", "hvs.", "hvb.", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-",
        "xoxb-", "xoxp-", "dop_v1_", "doo_v1_", "AGE-SECRET-KEY-", "AKIA", "ASIA", "hcaik_", "hcamk_",
    ].map { Array($0.utf8) }
    private static let secretNames = [
        "password", "passwd", "secret", "token", "apikey", "api_key", "api-key", "private_key", "privatekey", "client_key", "client-key",
        "access_key", "credential", "passphrase",
    ].map { Array($0.utf8) }
    private static let schemes = ["bearer", "basic"].map { Array($0.utf8) }

    private static func withoutTokens(_ bytes: [UInt8]) -> String {
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            guard isWord(bytes[index]) else {
                result.append(bytes[index])
                index += 1
                continue
            }
            let end = bytes[index...].firstIndex { !isWord($0) } ?? bytes.count
            let word = bytes[index..<end]
            index = end
            if isToken(word) {
                result += mark.utf8
                continue
            }
            result += word
            if let value = valueOfSecret(named: word, at: end, in: bytes) {
                result += bytes[end..<value.lowerBound]
                result += mark.utf8
                index = value.upperBound
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "+"), UInt8(ascii: "/"):
            true
        default: false
        }
    }

    private static func isToken(_ word: ArraySlice<UInt8>) -> Bool {
        if word.count >= 16, tokenPrefixes.contains(where: { word.starts(with: $0) }) { return true }
        // A JSON web token: three parts, the first of which begins with `{"` in base64.
        if word.count >= 30, word.starts(with: "eyJ".utf8), word.count(where: { $0 == UInt8(ascii: ".") }) == 2 { return true }
        return word.count >= 60 && isOpaque(word)
    }

    /// Base64 of something long, such as a key whose first line was cut off; not a path, a digest in hexadecimal or a name.
    private static func isOpaque(_ word: ArraySlice<UInt8>) -> Bool {
        var (upper, lower, digit) = (false, false, false)
        for byte in word {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): upper = true
            case UInt8(ascii: "a")...UInt8(ascii: "z"): lower = true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = true
            case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): return false
            default: continue
            }
        }
        return upper && lower && digit && word.first != UInt8(ascii: "/")
    }

    /// Not a name or a path in prose: it has digits, and no slash unless both cases are mixed.
    private static func looksDrawn(_ value: ArraySlice<UInt8>) -> Bool {
        let hasDigit = value.contains { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let hasUpper = value.contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
        return hasDigit && (hasUpper || !value.contains(UInt8(ascii: "/")))
    }

    /// The value that follows a name such as `password`, as in `password=x`, `"token": "x"`, `secret = "x"`, and `Bearer x`.
    private static func valueOfSecret(named word: ArraySlice<UInt8>, at end: Int, in bytes: [UInt8]) -> Range<Int>? {
        let name = word.suffix(64).map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 + 32 : $0 }
        let isScheme = schemes.contains(name)
        guard isScheme || secretNames.contains(where: { find($0, in: name[...]) != nil }) else { return nil }
        var index = end
        var (separator, quoted): (UInt8?, Bool) = (nil, false)
        loop: while index < bytes.count, index - end < 16 {
            switch bytes[index] {
            case UInt8(ascii: "="), UInt8(ascii: ":"):
                separator = bytes[index]
                quoted = false
            case UInt8(ascii: "\""), UInt8(ascii: "'"): quoted = true
            case UInt8(ascii: " "), UInt8(ascii: "\\"): break
            default: break loop
            }
            index += 1
        }
        let stop = bytes[min(index, bytes.count)...].firstIndex { " \t\r\n\"'\\,;&})".utf8.contains($0) } ?? bytes.count
        guard index < stop else { return nil }
        // "Secret: kube-system/cilium-ca not found" is prose; a bare value after a colon must look the part.
        let isValue =
            isScheme
            ? stop - index >= 8
            : separator == UInt8(ascii: "=") || separator != nil && (quoted || stop - index >= 20 && looksDrawn(bytes[index..<stop]))
        return isValue ? index..<stop : nil
    }
}
