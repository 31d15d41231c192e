// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Finds the hosts that a configuration names, and keeps nothing else of it: no scheme, user, password, port, path or token.
///
///     https://user:secret@api.example.com:8443/v1?key=k   in any setting              api.example.com
///     api.example.com:443                                 not where the setting       api.example.com
///     api.example.com                                     holds a credential; the     api.example.com
///                                                         last where it is a place
///
/// The first two are unlike anything else. A bare name is like the name of an API group, of a class or of a file, so that the setting's own name
/// has to say that it is a place.
struct EgressScan {
    /// What is part of the cluster itself.
    let inside: ClusterInside
    private(set) var hosts: Set<HostName> = []

    init(inside: ClusterInside) { self.inside = inside }

    /// One setting: a variable, a flag, a key of a file.
    mutating func take(_ value: some StringProtocol, of setting: some StringProtocol) {
        let words = Self.words(setting)
        // A list of hosts that are *not* asked through the proxy.
        if words == ["no", "proxy"] { return }
        let isPlace = !words.isDisjoint(with: Self.placeWords)
        let isCredential = !words.isDisjoint(with: Self.credentialWords)
        if isCredential, !isPlace { return }
        let tokens = String(value).unicodeScalars.split(whereSeparator: Self.separates).map { Substring($0) }
        for token in tokens where !takeURLs(token) && !isCredential {
            takeHostAndPort(token)
            if isPlace, tokens.count == 1 { keep(token.prefix { $0 != "/" }) }
        }
    }

    /// The arguments of a container: a flag with its value, in one or in two.
    mutating func take(arguments: [String]) {
        var flag: Substring?
        for argument in arguments {
            if argument.hasPrefix("-") {
                let parts = argument.split(separator: "=", maxSplits: 1)
                flag = parts.count == 2 ? nil : parts.first
                if parts.count == 2 { take(parts[1], of: parts[0]) }
            } else {
                take(argument, of: flag ?? "")
                flag = nil
            }
        }
    }

    /// A file: JSON by its keys, anything else line by line, comments left out.
    mutating func take(file text: String, named name: String) {
        if text.utf8.first(where: { $0 != 0x20 && $0 != 0x0A && $0 != 0x0D && $0 != 0x09 }) == UInt8(ascii: "{"),
            let tree = JSON.decode(Array(text.utf8))
        {
            return take(tree, of: name, depth: 0)
        }
        var parent = Substring(name)
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.drop { $0 == " " || $0 == "\t" || $0 == "-" }
            if line.hasPrefix("#") || line.hasPrefix("//") { continue }
            // What is no setting of its own belongs to the list that was begun above.
            guard let (key, value) = Self.setting(line) else {
                take(line, of: parent)
                continue
            }
            if value.allSatisfy(\.isWhitespace) { parent = key } else { take(value, of: key) }
        }
    }

    private mutating func take(_ tree: HelmValue, of key: String, depth: Int) {
        guard depth < 64 else { return }
        switch tree {
        case .string(let text): take(text, of: key)
        case .list(let items): for item in items { take(item, of: key, depth: depth + 1) }
        case .map(let entries): for (key, value) in entries { take(value, of: key, depth: depth + 1) }
        case .null, .bool, .integer, .number: break
        }
    }

    // MARK: what is a host

    /// Every `scheme://` of the token; false when there is none.
    private mutating func takeURLs(_ token: Substring) -> Bool {
        var rest = token
        var found = false
        while let mark = rest.firstRange(of: "://") {
            let before = rest[..<mark.lowerBound]
            rest = rest[mark.upperBound...]
            guard before.last.map({ $0.isASCII && ($0.isLetter || $0.isNumber) }) == true else { continue }
            found = true
            // RFC 3986: the authority ends at the first of these, and what stands before its last `@` is user and password.
            let authority = rest.prefix { !"/?#\\".contains($0) }
            keep(host(of: Self.untilListGoesOn(Self.afterCredentials(authority)), wantsPort: false))
        }
        return found
    }

    /// `host:port`, with a path behind it or not, alone or in a list.
    private mutating func takeHostAndPort(_ token: Substring) {
        for part in Self.afterCredentials(token).split(whereSeparator: { ",;=(){}|'".contains($0) }) {
            let text = part.prefix { $0 != "/" }
            keep(host(of: text, wantsPort: true))
            // The brackets may be a list's.
            keep(host(of: text.drop { $0 == "[" }.prefix { $0 != "]" }, wantsPort: true))
        }
    }

    private static func afterCredentials(_ text: Substring) -> Substring {
        text.lastIndex(of: "@").map { text[text.index(after: $0)...] } ?? text
    }

    /// A host that a template completes later is not known: empty.
    private static func untilListGoesOn(_ text: Substring) -> Substring {
        let host = text.prefix { !",;')}|$({%".contains($0) }
        guard host.endIndex < text.endIndex else { return host }
        return ",;')}|".contains(text[host.endIndex]) ? host : ""
    }

    private func host(of text: Substring, wantsPort: Bool) -> Substring? {
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            let tail = text[text.index(after: end)...]
            guard tail.isEmpty ? !wantsPort : tail.first == ":" && Self.isPort(tail.dropFirst()) else { return nil }
            return text[...end]
        }
        guard let colon = text.firstIndex(of: ":") else { return wantsPort ? nil : text }
        let port = text[text.index(after: colon)...]
        return Self.isPort(port) || (port.isEmpty && !wantsPort) ? text[..<colon] : nil
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.utf8.count <= 5 && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            && Int(text).map { (1...65535).contains($0) } == true
    }

    private mutating func keep(_ text: Substring?) {
        guard let text, text.utf8.count <= 1024, let host = HostName(String(text)), !inside.holds(host),
            !Self.fileEndings.contains(String(host.description.split(separator: ".").last ?? ""))
        else { return }
        hosts.insert(host)
    }

    // MARK: what is a setting

    /// Nothing else: a password may hold any other character, and the rest of it would look like a host.
    private static func separates(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace || scalar.value < 0x20 || scalar.value == 0x7F || "\"`<>".unicodeScalars.contains(scalar)
    }

    /// `key: value` and `key=value`; `nil` for a line that is neither.
    private static func setting(_ line: Substring) -> (key: Substring, value: Substring)? {
        guard let index = line.firstIndex(where: { $0 == ":" || $0 == "=" }) else { return nil }
        let (key, value) = (line[..<index], line[line.index(after: index)...])
        guard line[index] == "=" || value.isEmpty || value.first == " " || value.first == "\"" || value.first == "'" else { return nil }
        return (key, value)
    }

    /// `OTLP_ENDPOINT`, `--otlp-endpoint` and `otlpEndpoint` are otlp and endpoint.
    private static func words(_ setting: some StringProtocol) -> Set<String> {
        var words: Set<String> = []
        var word = ""
        var wasSmall = false
        for character in setting.prefix(256) {
            guard character.isASCII, character.isLetter else {
                words.insert(word)
                word = ""
                wasSmall = false
                continue
            }
            if character.isUppercase, wasSmall {
                words.insert(word)
                word = ""
            }
            wasSmall = character.isLowercase
            word.append(character.lowercased())
        }
        words.insert(word)
        words.remove("")
        return words
    }

    private static let placeWords: Set<String> = [
        "addr", "address", "addresses", "addrs", "backend", "backends", "broker", "brokers", "collector", "domain", "dsn", "endpoint",
        "endpoints", "exporter", "fqdn", "gateway", "host", "hostname", "hosts", "ingest", "ingestion", "proxy", "receiver", "relay",
        "remote", "server", "servers", "site", "sink", "target", "targets", "upstream", "uri", "url", "urls", "webhook",
    ]
    private static let credentialWords: Set<String> = [
        "apikey", "auth", "authorization", "bearer", "cookie", "credential", "credentials", "jwt", "key", "pass", "passphrase", "passwd",
        "password", "pwd", "secret", "signature", "token", "user", "username",
    ]
    /// Bare names that end so are files.
    private static let fileEndings: Set<String> = [
        "cfg", "conf", "crt", "db", "gz", "html", "ini", "json", "key", "lock", "log", "pem", "sock", "socket", "toml", "txt", "xml",
        "yaml",
        "yml",
    ]
}

/// What belongs to a cluster itself: names that its DNS answers, and addresses of its pods, Services and nodes.
struct ClusterInside: Sendable {
    /// `NAME.NAMESPACE` of every Service.
    var services: Set<String> = []
    /// The API server's, under which the cluster is reached from outside.
    var endpoint: HostName?
    var ranges: [CIDR] = []
    var addresses: Set<IPAddress> = []

    private static let zones = ["svc", "cluster.local", "clusterset.local", "localhost", "local"]
    private static let selves = ["127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10", "0.0.0.0/8", "::/128"].compactMap(CIDR.init)

    func holds(_ host: HostName) -> Bool {
        if host == endpoint { return true }
        if let address = host.address {
            return addresses.contains(address) || (ranges + Self.selves).contains { $0.contains(address) }
        }
        let name = host.description
        return services.contains(name) || Self.zones.contains { name.hasSuffix("." + $0) }
    }
}
