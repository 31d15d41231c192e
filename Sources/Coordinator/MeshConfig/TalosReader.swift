// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// `talos:` of one cluster: what its machine configuration holds besides what the rest of the file says.
struct TalosReader {
    let log: FaultLog

    func read(_ cluster: Section, kind: MeshSpec.Cluster.Kind) -> MeshSpec.Talos? {
        guard let value = cluster.value("talos") else { return nil }
        guard kind == .talos else {
            log.add(value.place, "\(cluster.title) is of kind \(kind.rawValue) and has no Talos to configure")
            return nil
        }
        let keys = ["platform", "extensions", "kernelArguments", "timeServers", "installer"]
        guard let section = cluster.section("talos", keys: keys) else { return nil }
        let own = ["extensions", "kernelArguments"].filter(section.has)
        if section.has("installer"), let key = own.first {
            // The factory's image and one's own are two images; what is in one's own was decided when it was made.
            log.add(
                section.place(of: key),
                "\(quoted(key)) of \(section.title) is for the Image Factory's image, but \"installer\" names another")
        }
        return MeshSpec.Talos(
            platform: section.optional("platform", Form<MeshSpec.Talos.Platform>.word) ?? .metal,
            extensions: distinct("extensions", .officialExtension, in: section),
            kernelArguments: section.list("kernelArguments", .kernelArgument) ?? [],
            timeServers: distinct("timeServers", .host, in: section), installer: section.optional("installer", .imageRepository))
    }

    private func distinct(_ key: String, _ form: Form<String>, in section: Section) -> [String] {
        let items = section.list(key, form) ?? []
        for (index, item) in items.enumerated() where items[..<index].contains(item) {
            log.add(section.place(of: key), "\(quoted(key)) of \(section.title) names \(quoted(item)) twice")
        }
        return items
    }
}

extension Form where Value == String {
    /// As the Image Factory lists them.
    fileprivate static var officialExtension: Self {
        Form(wanted: "an official extension such as siderolabs/qemu-guest-agent") { text, _ in
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            return parts.count == 2 && parts.allSatisfy { isName($0) } ? text : nil
        }
    }

    /// Only what is written the same way with and without quotes: the schematic's id is over its bytes. A leading `-` removes an argument.
    fileprivate static var kernelArgument: Self {
        Form(wanted: "a kernel argument such as console=ttyS0") { text, _ in
            let body = text.hasPrefix("-") ? text.dropFirst() : text[...]
            let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
            guard let first = body.utf8.first, (97...122).contains(first | 0x20), body.utf8.last != UInt8(ascii: ":"),
                !words.contains(body.lowercased())
            else { return nil }
            let isPlain = body.utf8.allSatisfy { byte in
                (97...122).contains(byte | 0x20) || (48...57).contains(byte) || [44, 45, 46, 47, 58, 61, 95].contains(byte)
            }
            return isPlain ? text : nil
        }
    }

    fileprivate static var host: Self {
        Form(wanted: "a host name or an IP address") { text, _ in
            let labels = text.split(separator: ".", omittingEmptySubsequences: false)
            return IPAddress(text) != nil || labels.allSatisfy { isName($0.lowercased()) } ? text : nil
        }
    }

    /// Without a tag and a digest: the release comes from `versions`.
    fileprivate static var imageRepository: Self {
        Form(wanted: "an image without a tag such as registry.example/talos/installer") { text, _ in
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count > 1, parts.dropFirst().allSatisfy({ isName($0) }) else { return nil }
            let host = parts[0].split(separator: ":", omittingEmptySubsequences: false)
            guard host.count <= 2, host[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy({ isName($0) }) else {
                return nil
            }
            return host.count == 1 || decimal(String(host[1])).map { (1...65535).contains($0) } == true ? text : nil
        }
    }
}

/// Lower-case letters, digits, and `-`, `_`, `.` between them.
private func isName(_ text: some StringProtocol) -> Bool {
    func plain(_ byte: UInt8) -> Bool { (97...122).contains(byte) || (48...57).contains(byte) }
    let bytes = Array(text.utf8)
    guard let first = bytes.first, let last = bytes.last, plain(first), plain(last) else { return false }
    return bytes.count <= 128 && bytes.allSatisfy { plain($0) || [45, 46, 95].contains($0) }
}
