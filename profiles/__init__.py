"""What each scene decides: pure functions of credential, configuration and facts."""
