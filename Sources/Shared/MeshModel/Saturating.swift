// SPDX-License-Identifier: Apache-2.0

infix operator +| : AdditionPrecedence

/// Adds and stays at the largest number instead of overflowing: what a peer states must not end the program.
package func +| <Number: FixedWidthInteger>(left: Number, right: Number) -> Number {
    let (sum, overflow) = left.addingReportingOverflow(right)
    guard overflow else { return sum }
    return right < 0 ? .min : .max
}
