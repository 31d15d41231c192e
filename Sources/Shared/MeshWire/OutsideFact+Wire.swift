// SPDX-License-Identifier: Apache-2.0

import MeshModel

extension OutsideTarget {
    private static let longestName = 253

    init(_ wire: WireOutsideTarget, _ place: String) throws(WireError) {
        let text = try WireField.text(wire.host, place + ".host", limit: Self.longestName)
        guard let host = HostName(text) else { throw .badField(place: place + ".host", problem: "not \(HostName.form)") }
        self.init(
            try WireField.named(wire.kind, place + ".kind"), host, port: wire.hasPort ? try WireField.port(wire.port, place + ".port") : nil
        )
    }

    var wire: WireOutsideTarget {
        var wire = WireOutsideTarget()
        wire.kind = kind.rawValue
        wire.host = host.description
        if let port { wire.port = UInt32(port) }
        return wire
    }
}

extension OutsideFact {
    init(_ wire: WireOutsideFact, _ place: String) throws(WireError) {
        self.init(
            target: try OutsideTarget(wire.target, place + ".target"), result: try WireField.named(wire.result, place + ".result"),
            address: wire.hasAddress ? try WireField.value(wire.address, place + ".address") : nil,
            detail: wire.hasDetail ? try WireField.text(wire.detail, place + ".detail") : nil)
    }

    var wire: WireOutsideFact {
        var wire = WireOutsideFact()
        wire.target = target.wire
        wire.result = result.rawValue
        if let address { wire.address = address.description }
        if let detail { wire.detail = detail.shortened(to: WireField.longestText) }
        return wire
    }
}
