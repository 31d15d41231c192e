// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Our end of a child's standard output or error, what is kept of it, and who watches it.
struct OutputPipe {
    /// Most that a pipe can hold after its writer has gone (fs.pipe-max-size).
    private static let longestRest = 1 << 20

    private(set) var descriptor: Int32
    private(set) var kept: BoundedOutput
    private let stream: OutputLine.Stream
    private let observer: OutputObserver?
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    init(_ descriptor: Int32, _ stream: OutputLine.Stream, limit: Int, observer: OutputObserver?) {
        self.descriptor = descriptor
        self.stream = stream
        self.observer = observer
        kept = BoundedOutput(limit: limit)
    }

    /// Reads once; the count, or 0 when there is nothing now or ever again.
    @discardableResult
    mutating func hear() -> Int {
        let got = read(descriptor, &buffer, buffer.count)
        guard got > 0 else {
            if got == 0 || (errno != EAGAIN && errno != EINTR) { close() }
            return 0
        }
        kept.append(buffer[..<got])
        if let observer { kept.cut(buffer[..<got]) { observer(OutputLine(stream: stream, text: $0)) } }
        return got
    }

    /// Takes what the child left in the pipe, and no more: somebody else may still write to it, for ever.
    mutating func empty() {
        var taken = 0
        while descriptor >= 0, taken < Self.longestRest {
            let got = hear()
            if got == 0 { break }
            taken += got
        }
    }

    /// Shows the observer a last line without a line end.
    mutating func finish() {
        if let observer { kept.finish { observer(OutputLine(stream: stream, text: $0)) } }
    }

    mutating func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }
}
