//! Modbus/TCP (MODBUS Application Protocol V1.1b3).

/// An application data unit.
pub fn adu(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut m = transaction.to_be_bytes().to_vec();
    m.extend([0, 0]);
    m.extend((pdu.len() as u16 + 1).to_be_bytes());
    m.push(unit);
    m.extend(pdu);
    m
}

/// Read (functions 1 to 4).
pub fn read(function: u8, address: u16, quantity: u16) -> Vec<u8> {
    four(function, address, quantity)
}

/// The registers that a read asked for.
pub fn registers(function: u8, values: &[u16]) -> Vec<u8> {
    let mut pdu = vec![function, (values.len() * 2) as u8];
    pdu.extend(values.iter().flat_map(|v| v.to_be_bytes()));
    pdu
}

/// The coils or inputs that a read asked for, packed.
pub fn bits(function: u8, packed: &[u8]) -> Vec<u8> {
    [&[function, packed.len() as u8], packed].concat()
}

/// Write one register (6) or coil (5, 0xff00 is on); the answer is the same.
pub fn write(function: u8, address: u16, value: u16) -> Vec<u8> {
    four(function, address, value)
}

fn four(function: u8, a: u16, b: u16) -> Vec<u8> {
    [&[function][..], &a.to_be_bytes(), &b.to_be_bytes()].concat()
}
