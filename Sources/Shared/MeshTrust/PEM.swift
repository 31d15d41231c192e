// SPDX-License-Identifier: Apache-2.0

/// Text armour around DER, both ways. Bounded, and never asks a terminal for a passphrase, as OpenSSL's own reader may.
package enum PEM {
    /// The label of a certificate.
    package static let certificateLabel = "CERTIFICATE"
    /// The label of a certificate request.
    package static let requestLabel = "CERTIFICATE REQUEST"
    /// In bytes; longer texts are not read.
    package static let longestText = 1 << 20

    /// Lines of 64 characters, as OpenSSL writes them.
    package static func encode(_ der: [UInt8], label: String) -> String {
        var lines = ["-----BEGIN \(label)-----"]
        var rest = Substring(Base64.encode(der))
        while !rest.isEmpty {
            lines.append(String(rest.prefix(64)))
            rest = rest.dropFirst(64)
        }
        lines.append("-----END \(label)-----")
        return lines.joined(separator: "\n") + "\n"
    }

    /// Every block of that label, in order; text around the blocks is passed over, as every PEM reader does.
    package static func decode(_ text: String, label: String) throws(TrustError) -> [[UInt8]] {
        guard text.utf8.count <= longestText else { throw .notPEM(wanted: label, problem: "the text is longer than 1 MiB") }
        let begin = Array("-----BEGIN \(label)-----".utf8)
        let end = Array("-----END \(label)-----".utf8)
        var blocks: [[UInt8]] = []
        var open: [UInt8]?
        for line in text.utf8.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            if line.elementsEqual(begin) {
                guard open == nil else { throw .notPEM(wanted: label, problem: "a block begins inside another") }
                open = []
            } else if line.elementsEqual(end) {
                guard let content = open, let der = Base64.decode(content), !der.isEmpty else {
                    throw .notPEM(wanted: label, problem: "a block is not base64")
                }
                blocks.append(der)
                open = nil
            } else {
                open?.append(contentsOf: line)
            }
        }
        guard open == nil else { throw .notPEM(wanted: label, problem: "the last block does not end") }
        return blocks
    }

    /// The one block of that label.
    package static func decodeOne(_ text: String, label: String) throws(TrustError) -> [UInt8] {
        let blocks = try decode(text, label: label)
        guard let block = blocks.first, blocks.count == 1 else {
            throw .notPEM(wanted: label, problem: "there are \(blocks.count) such blocks and one is wanted")
        }
        return block
    }
}
