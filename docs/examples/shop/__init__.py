"""A small shop that takes WeChat Pay: orders, payment by QR code or inside WeChat, callbacks, refunds, and its books every night."""
