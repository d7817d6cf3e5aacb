"""Operations that pyinfra lacks."""
