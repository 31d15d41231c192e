// SPDX-License-Identifier: Apache-2.0

/// A file of sections as Proxmox keeps storages and networks (`PVE::SectionConfig`): `KIND: NAME`, then indented `key value` lines.
package struct ProxmoxSections: Hashable, Sendable {
    /// One of them.
    package struct Section: Hashable, Sendable {
        package var kind: String
        package var options: [String: String]
        package init(kind: String, options: [String: String]) {
            self.kind = kind
            self.options = options
        }
    }

    /// By name.
    package private(set) var sections: [String: Section]

    /// Takes any text. `known`: what is there without being written.
    package init(parsing text: String, known: [String: Section] = [:]) {
        sections = known
        var name: String?
        for bytes in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            let line = String(decoding: bytes, as: UTF8.self)
            if line.hasPrefix("#") { continue }
            if line.first == "\t" || line.first == " " {
                let words = line.split(whereSeparator: \.isWhitespace)
                guard let name, let key = words.first else { continue }
                // A bare key is a switch that is on. No value that is read here has a space in it.
                sections[name]?.options[String(key)] = words.count > 1 ? words[1...].joined(separator: " ") : "1"
            } else if let colon = line.firstRange(of: ": ") {
                let title = String(line[colon.upperBound...].prefix { !$0.isWhitespace })
                name = title
                sections[title] = Section(kind: String(line[..<colon.lowerBound]), options: [:])
            } else {
                name = nil
            }
        }
    }
}
