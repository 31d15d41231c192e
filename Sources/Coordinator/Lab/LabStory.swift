// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Tells what happens in a lab, one short line per event with the seconds since the beginning. Lines go out whole, from any thread.
package final class LabStory: Sendable {
    /// What a line is about; a terminal shows it in colour.
    package enum Tone: Sendable { case chapter, plain, good, held, bad, quote }

    private let colour: Bool
    private let clock = ContinuousClock()
    private let beginning: ContinuousClock.Instant
    private let write: @Sendable (String) -> Void
    private let chapters = Mutex<[(title: String, at: ContinuousClock.Instant)]>([])

    /// `colour` only when the output is a terminal and NO_COLOR is not set; main knows.
    package init(colour: Bool, write: @escaping @Sendable (String) -> Void) {
        self.colour = colour
        self.write = write
        beginning = clock.now
    }

    /// Begins a part of the story; the summary shows how long each took.
    package func chapter(_ title: String) {
        chapters.withLock { $0.append((title, clock.now)) }
        tell(title, .chapter)
    }

    package func tell(_ text: String, _ tone: Tone = .plain) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: true)
        for (index, line) in lines.enumerated() {
            let time = index == 0 && tone != .quote ? Self.seconds(beginning.duration(to: clock.now)) : String(repeating: " ", count: 7)
            write(dim(time) + "  " + (tone == .quote ? "  " : "") + paint(String(line), tone) + "\n")
        }
    }

    /// Title and length of every chapter, then the whole.
    package var times: [(title: String, duration: Duration)] {
        let now = clock.now
        let begun = chapters.withLock { $0 }
        let ends = begun.dropFirst().map(\.at) + [now]
        return zip(begun, ends).map { ($0.title, $0.at.duration(to: $1)) } + [("all of it", beginning.duration(to: now))]
    }

    /// `  12.3s`.
    static func seconds(_ duration: Duration) -> String {
        let tenths = duration.components.seconds * 10 + duration.components.attoseconds / 100_000_000_000_000_000
        let text = "\(tenths / 10).\(tenths % 10)s"
        return String(repeating: " ", count: max(0, 7 - text.count)) + text
    }

    private func dim(_ text: String) -> String { colour ? "\u{1B}[2m\(text)\u{1B}[0m" : text }

    private func paint(_ text: String, _ tone: Tone) -> String {
        guard colour else { return tone == .chapter ? "== \(text)" : text }
        let code =
            switch tone {
            case .chapter: "1"
            case .plain: "0"
            case .good: "32"
            case .held: "33"
            case .bad: "31"
            case .quote: "2"
            }
        return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }
}
