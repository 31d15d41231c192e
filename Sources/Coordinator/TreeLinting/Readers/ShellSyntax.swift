// SPDX-License-Identifier: Apache-2.0

/// A word of a shell command: quotes are taken off, variables stay as `${NAME}`, substitutions as they are written.
package struct ShellWord: Sendable {
    package let offset: Int
    package let text: String
    /// Some part of it was in quotes.
    package let isQuoted: Bool
}

/// `>` and its like.
package struct ShellRedirection: Sendable {
    package let offset: Int
    /// As it is written, with a descriptor in front if there is one: `>`, `2>>`, `<<<`.
    package let sign: String
    package let target: ShellWord

    /// The file is emptied before the command has said anything.
    package var truncates: Bool { ["1", "2", "&", ""].contains { sign == $0 + ">" || sign == $0 + ">|" } }
}

/// `NAME=value`, alone or in front of a command.
package struct ShellAssignment: Sendable {
    package let offset: Int
    package let name: String
    package let value: ShellWord
}

/// One simple command, wherever it stands: in a loop, in a branch, within `$(...)`.
package struct ShellCommand: Sendable {
    package var offset: Int
    package var assignments: [ShellAssignment] = []
    package var words: [ShellWord] = []
    package var redirections: [ShellRedirection] = []
    /// Its output goes into the next command.
    package var isPiped = false
    /// It reads the output of the command before it.
    package var readsPipe = false
    /// How many substitutions stand around it.
    package var nesting = 0
    /// The arm of a `case` in which it stands, as an index into the script's arms.
    package var arm: Int?
    /// It stands in a loop, a branch or a function.
    package var isInner = false

    package var name: String? { words.first?.text }
}

/// One `pattern|pattern)` of a `case`.
package struct ShellArm: Sendable {
    package let offset: Int
    package let subject: String
    package let patterns: [String]
}

/// A backslash at a line's end after which nothing goes on.
package struct DanglingBackslash: Hashable, Sendable {
    package enum Kind: Sendable { case beforeBlankLine, beforeComment, blankBehind }
    package let offset: Int
    package let kind: Kind
}

/// A script as far as it could be read.
package struct ShellScript: Sendable {
    package let source: SourceText
    package var commands: [ShellCommand] = []
    package var arms: [ShellArm] = []
    package var danglings: [DanglingBackslash] = []
    package var faults: [ReadFault] = []
}
