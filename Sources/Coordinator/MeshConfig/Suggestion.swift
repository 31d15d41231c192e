// SPDX-License-Identifier: Apache-2.0

/// `; did you mean "x"?`, or nothing.
func suggestion(_ name: String?) -> String { name.map { "; did you mean \(quoted($0))?" } ?? "" }
