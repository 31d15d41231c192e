// SPDX-License-Identifier: Apache-2.0

/// One thing that is wrong with a file, at the place where an admin mends it.
package struct Fault: Hashable, Sendable, CustomStringConvertible {
    /// The file as the admin named it.
    package let file: String
    /// From 1.
    package let line: Int
    /// From 1, counted in Unicode scalars.
    package let column: Int
    /// What is wrong, what is wanted, and the nearest right thing when there is one.
    package let message: String
    package var description: String { "\(file):\(line):\(column): \(message)" }
}

/// Everything that is wrong with a file, in the order of the file; never empty.
package struct MeshFaults: Error, Hashable, CustomStringConvertible {
    /// Sorted by place.
    package let faults: [Fault]
    package var description: String {
        let shown = faults.prefix(Self.mostShown).map(\.description).joined(separator: "\n")
        return faults.count > Self.mostShown ? shown + "\nand \(faults.count - Self.mostShown) more faults" : shown
    }
    /// A text that is no mesh file at all has as many faults as lines; nobody reads them.
    private static let mostShown = 200
}

/// A line and column of a file, both from 1.
struct Place: Hashable, Comparable, Sendable {
    var line: Int
    var column: Int
    static let start = Place(line: 1, column: 1)
    static func < (left: Self, right: Self) -> Bool { (left.line, left.column) < (right.line, right.column) }
}

/// Collects faults while reading goes on, so that one reading tells all of them.
final class FaultLog {
    private let file: String
    private var found: [(place: Place, message: String)] = []

    init(file: String) { self.file = file }

    var isEmpty: Bool { found.isEmpty }
    /// Looking for the nearest name costs time; a file with very many faults does without.
    var wantsSuggestions: Bool { found.count < 200 }

    func add(_ place: Place, _ message: String) { found.append((place, message)) }

    func contains(_ message: String) -> Bool { found.contains { $0.message == message } }

    var faults: MeshFaults {
        let sorted = found.sorted { ($0.place, $0.message) < ($1.place, $1.message) }
        var faults: [Fault] = []
        for (place, message) in sorted {
            let fault = Fault(file: file, line: place.line, column: place.column, message: message)
            if faults.last != fault { faults.append(fault) }
        }
        return MeshFaults(faults: faults)
    }
}

/// A text from the file inside a message: in quotes, on one line, not endless.
func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars.prefix(60) {
        switch scalar {
        case "\n": result += "\\n"
        case "\"", "\\": result += "\\" + String(scalar)
        default: result += scalar.properties.generalCategory == .control ? "?" : String(scalar)
        }
    }
    return result + (text.unicodeScalars.count > 60 ? "...\"" : "\"")
}
