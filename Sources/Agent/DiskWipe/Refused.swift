// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// Carries a refusal out of the checks that stand before the first byte. It never leaves the room as an error.
struct Refused: Error {
    let refusal: TaskRefusal
    init(_ code: TaskRefusal.Code, _ detail: String) { refusal = TaskRefusal(code, detail) }
}
