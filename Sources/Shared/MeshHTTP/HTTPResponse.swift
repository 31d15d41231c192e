// SPDX-License-Identifier: Apache-2.0

/// Status and headers of a response.
package struct HTTPHead: Hashable, Sendable {
    package let status: Int
    package let headers: [HTTPHeader]
    package init(status: Int, headers: [HTTPHeader] = []) {
        self.status = status
        self.headers = headers
    }

    /// 200 to 299.
    package var isSuccess: Bool { (200..<300).contains(status) }
    /// The first header of this name, whatever its case.
    package func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// A whole response.
package struct HTTPResponse: Hashable, Sendable {
    package let head: HTTPHead
    package let body: [UInt8]
    package init(head: HTTPHead, body: [UInt8] = []) {
        self.head = head
        self.body = body
    }
    package init(status: Int, headers: [HTTPHeader] = [], body: [UInt8] = []) {
        self.init(head: HTTPHead(status: status, headers: headers), body: body)
    }

    package var status: Int { head.status }
    package var isSuccess: Bool { head.isSuccess }
    package func header(_ name: String) -> String? { head.header(name) }
    /// The body as text; invalid UTF-8 becomes U+FFFD.
    package var text: String { String(decoding: body, as: UTF8.self) }
}
