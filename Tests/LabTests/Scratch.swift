// SPDX-License-Identifier: Apache-2.0

import Glibc

@testable import Lab

/// A directory of its own below /tmp that goes away with this value.
final class Scratch: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/meshgate-lab-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw LabError.system(doing: "make a directory", on: "/tmp", errno: errno) }
        path = String(cString: made)
    }

    deinit {
        do {
            try LabFiles.removeTree(path)
        } catch {
            print("left behind: \(error)")
        }
    }
}
