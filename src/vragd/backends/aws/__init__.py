"""What backends share that speak to services of AWS, or to others that speak like them."""
