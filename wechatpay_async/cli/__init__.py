"""The command `wechatpay`, from the extra `cli`."""
