// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MeshModel
import Synchronization

/// Where people read: colour and redrawing only on a terminal that wants them.
enum Terminal {
    enum Style: String {
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
        case cyan = "36"
    }

    static let isInteractive = isatty(STDOUT_FILENO) == 1 && getenv("TERM").map { String(cString: $0) } != "dumb"
    static let hasColour = isInteractive && (getenv("NO_COLOR").map { String(cString: $0) } ?? "").isEmpty

    /// The text in a style, or as it is.
    static func paint(_ text: String, _ style: Style) -> String { hasColour ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text }

    static func say(_ text: String) { write(text.hasSuffix("\n") ? text : text + "\n", to: STDOUT_FILENO) }

    static func complain(_ text: String) {
        let isTerminal = isatty(STDERR_FILENO) == 1 && hasColour
        // What failed is told in the words of whoever failed.
        let plain = text.split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) }.joined(separator: "\n")
        write((isTerminal ? "\u{1B}[31mmeshgate:\u{1B}[0m " : "meshgate: ") + plain + "\n", to: STDERR_FILENO)
    }

    /// Beside the result, for whoever watches: on standard error.
    static func remark(_ text: String) { write(text.hasSuffix("\n") ? text : text + "\n", to: STDERR_FILENO) }

    static func raw(_ text: String) { write(text, to: STDOUT_FILENO) }

    /// Columns and rows; 80 by 24 when nobody knows.
    static var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// All of it, or silence: a reader that went away (`| head`) is not an error of ours.
    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return
            }
            rest = rest.dropFirst(count)
        }
    }
}
